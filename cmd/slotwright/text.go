package main

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/slotwright/slotwright/spec/slot"
)

// count is "1 slot", "2 slots".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// does is "1 slot moves", "2 slots move".
func does(n int, noun, verb string) string {
	if n == 1 {
		verb += "s"
	}
	return count(n, noun) + " " + verb
}

// about is a number as people say it: 950, 83k, 1.2M. Negative is unknown.
func about(n int64) string {
	switch {
	case n < 0:
		return "?"
	case n < 1000:
		return fmt.Sprint(n)
	}
	value, unit := float64(n), ""
	for _, next := range []string{"k", "M", "G", "T"} {
		if value < 999.5 {
			break
		}
		value, unit = value/1000, next
	}
	if value < 9.95 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0") + unit
	}
	return fmt.Sprintf("%.0f%s", value, unit)
}

// keys is "no keys", "1 key", "83k keys".
func keys(n int64) string {
	switch n {
	case 0:
		return "no keys"
	case 1:
		return "1 key"
	}
	return about(n) + " keys"
}

// lasting is an estimate of time, as coarse as it is.
func lasting(seconds int64) string {
	switch {
	case seconds < 10:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 55:
		return fmt.Sprintf("%d s", (seconds+2)/5*5)
	case seconds < 90*60:
		return fmt.Sprintf("%d min", max(1, (seconds+30)/60))
	}
	return fmt.Sprintf("%d h", (seconds+30*60)/3600)
}

// aboutKeys is an estimate in words.
func aboutKeys(n int64) string {
	if n == 0 {
		return keys(n)
	}
	return "about " + keys(n)
}

// ranges is a set of slots in at most a few ranges, with its size.
func ranges(s slot.Set) string {
	const shown = 4
	all := s.Ranges()
	if len(all) <= shown {
		return s.String()
	}
	var first slot.Set
	for _, r := range all[:shown] {
		first.AddRange(r.First, r.Last)
	}
	return fmt.Sprintf("%s,... in %d ranges", first, len(all))
}

// clean makes text from servers and files safe for a terminal: one line, and
// nothing that could steer it.
func clean(text string) string {
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "; ")
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// paint colours text where colour is wanted. Colour never says anything that
// the text does not.
type paint bool

func (p paint) as(code, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint is on when out is a terminal and NO_COLOR (no-color.org) is not set.
func (t *tool) paint() paint {
	no, _ := t.env("NO_COLOR")
	kind, _ := t.env("TERM")
	return paint(t.paints && no == "" && kind != "dumb")
}
