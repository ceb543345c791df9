package cluster

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/slotwright/slotwright/spec/slot"
)

const idLength = 40

// ParseNodes reads the reply to CLUSTER NODES of Redis 7 and 8 and Valkey 7 to
// 9. It is strict where an answer decides what is removed (IDs, slots, epochs,
// exactly one line that says myself, no ID twice) and tolerant of flags and
// address fields it does not know. On an error nothing is returned; the error
// carries the line.
//
// A line is `id host:port@bus[,hostname[,key=value]...] flags master ping-sent
// pong-received config-epoch link-state slot...` (valkey.io/commands/cluster-nodes).
func ParseNodes(text string) ([]Line, error) {
	text = strings.TrimPrefix(text, "txt:") // the verbatim string of RESP3, as some clients hand it on
	lines := make([]Line, 0, strings.Count(text, "\n")+1)
	p := parser{ranges: make([]slot.Range, 0, cap(lines))}
	for row := range strings.SplitSeq(text, "\n") {
		row = strings.TrimRight(row, "\r ")
		if row == "" {
			continue
		}
		line, err := p.line(row)
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", clip(row), err)
		}
		lines = append(lines, line)
	}
	if err := checkLines(lines); err != nil {
		return nil, err
	}
	return lines, nil
}

// checkLines is what must hold of all lines of one answer together.
func checkLines(lines []Line) error {
	seen := make(map[string]struct{}, len(lines))
	myself := 0
	for i := range lines {
		if _, twice := seen[lines[i].ID]; twice {
			return fmt.Errorf("node %s is named twice", lines[i].ID)
		}
		seen[lines[i].ID] = struct{}{}
		if lines[i].Flags.Myself {
			myself++
		} else if lines[i].Open != nil {
			return fmt.Errorf("node %s shows open slots and is not myself", lines[i].ID)
		}
	}
	if myself != 1 {
		return fmt.Errorf("%d lines say myself, not 1", myself)
	}
	return nil
}

// parser keeps what the lines of one answer share: the room for their ranges.
type parser struct{ ranges []slot.Range }

func (p *parser) line(row string) (Line, error) {
	var f [8]string
	rest := row
	for i := range f {
		if f[i], rest, _ = strings.Cut(rest, " "); f[i] == "" {
			return Line{}, fmt.Errorf("%d fields, not at least %d", i, len(f))
		}
	}
	l := Line{ID: f[0], Flags: parseFlags(f[2]), Linked: f[7] == "connected"}
	if !isID(l.ID) {
		return Line{}, errors.New("the ID is not 40 hex digits")
	}
	if err := l.address(f[1]); err != nil {
		return Line{}, err
	}
	if err := l.follows(f[3]); err != nil {
		return Line{}, err
	}
	epoch, err := strconv.ParseUint(f[6], 10, 64)
	if err != nil {
		return Line{}, fmt.Errorf("%q is not an epoch", f[6])
	}
	l.Epoch = epoch
	return l, p.slots(&l, rest)
}

// address reads host:port@bus[,hostname[,key=value]...]. The host may be empty,
// and an IPv6 host has no brackets, so the port starts at the last colon.
func (l *Line) address(field string) error {
	field, extra, _ := strings.Cut(field, ",")
	l.Name, _, _ = strings.Cut(extra, ",")
	if strings.Contains(l.Name, "=") { // an auxiliary field where no name is given
		l.Name = ""
	}
	ports, bus, _ := strings.Cut(field, "@")
	colon := strings.LastIndexByte(ports, ':')
	if colon < 0 {
		return fmt.Errorf("%q is not an address", field)
	}
	l.Host = ports[:colon]
	var err error
	if l.Port, err = parsePort(ports[colon+1:]); err != nil {
		return err
	}
	if bus != "" {
		l.Bus, err = parsePort(bus)
	}
	return err
}

func parsePort(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is not a port", text)
	}
	return int(n), nil
}

func (l *Line) follows(field string) error {
	if field == "-" { // a master, or a replica that does not know its master yet
		return nil
	}
	if !isID(field) {
		return errors.New("the master is not 40 hex digits")
	}
	l.Master = field
	return nil
}

func parseFlags(field string) Flags {
	var f Flags
	for flag := range strings.SplitSeq(field, ",") {
		switch flag {
		case "myself":
			f.Myself = true
		case "master":
			f.Master = true
		case "slave", "replica":
			f.Replica = true
		case "fail?":
			f.PFail = true
		case "fail":
			f.Fail = true
		case "handshake":
			f.Handshake = true
		case "noaddr":
			f.NoAddr = true
		}
	}
	return f
}

// slots reads what follows the link state: ranges in ascending order and, in
// the myself line, open slots.
func (p *parser) slots(l *Line, rest string) error {
	start, next := len(p.ranges), 0
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, " ")
		if strings.HasPrefix(part, "[") {
			mark, err := parseMark(part)
			if err != nil {
				return err
			}
			l.Open = append(l.Open, mark)
			continue
		}
		r, err := parseRange(part)
		if err != nil {
			return err
		}
		if r.First < next {
			return fmt.Errorf("slots %s are out of order", part)
		}
		next = r.Last + 1
		p.ranges = append(p.ranges, r)
	}
	if end := len(p.ranges); end > start {
		l.Ranges = p.ranges[start:end:end]
	}
	return nil
}

func parseRange(part string) (slot.Range, error) {
	first, last, isRange := strings.Cut(part, "-")
	if !isRange {
		last = first
	}
	a, aOK := parseSlot(first)
	b, bOK := parseSlot(last)
	if !aOK || !bOK || a > b {
		return slot.Range{}, fmt.Errorf("%q are not slots", part)
	}
	return slot.Range{First: a, Last: b}, nil
}

// parseMark reads [slot->-id] (migrating) or [slot-<-id] (importing).
func parseMark(part string) (Mark, error) {
	wrong := fmt.Errorf("%q is not an open slot", part)
	inner, ok := strings.CutSuffix(part[1:], "]")
	if !ok {
		return Mark{}, wrong
	}
	number, peer, importing := strings.Cut(inner, "-<-")
	if !importing {
		number, peer, ok = strings.Cut(inner, "->-")
	}
	n, isSlot := parseSlot(number)
	if !ok || !isSlot || !isID(peer) {
		return Mark{}, wrong
	}
	return Mark{Slot: n, Importing: importing, Peer: peer}, nil
}

func parseSlot(text string) (int, bool) {
	n := 0
	for i := range len(text) {
		c := text[i]
		if c < '0' || c > '9' || i == 5 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, text != "" && n < slot.Count
}

func isID(text string) bool {
	if len(text) != idLength {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// clip keeps messages short when a server says something endless.
func clip(text string) string {
	const most = 200
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
