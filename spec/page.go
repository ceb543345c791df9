package spec

import (
	"fmt"
	"strings"
)

// page is one document of one file while it is read: where each key stands,
// and what is wrong so far.
type page struct {
	file     string
	lines    map[string]int  // by path, such as spec.platform.static.nodes[2].zone
	void     map[string]bool // the paths of those whose value was wrong as a whole
	mistakes Mistakes
}

func newPage(file string, line int) *page {
	return &page{file: file, lines: map[string]int{"": line}, void: map[string]bool{}}
}

// say notes a mistake at a path. A path that isn't written is at its parent's line.
func (p *page) say(path, text, hint string) {
	p.mistakes = append(p.mistakes, Mistake{File: p.file, Line: p.line(path), Text: text, Hint: hint})
}

func (p *page) line(path string) int {
	for {
		if line, ok := p.lines[path]; ok {
			return line
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return p.lines[""]
		}
		path = path[:cut]
	}
}

// written reports whether a key stands in the file, its value right or wrong.
func (p *page) written(path string) bool {
	_, ok := p.lines[path]
	return ok
}

// need complains about a key that must be written and isn't. One with a wrong value,
// or in something wrong, has earned its complaint already.
func (p *page) need(path, hint string) {
	if parent := path[:max(0, strings.LastIndexByte(path, '.'))]; !p.written(path) && !p.void[parent] {
		p.say(path, path+" is missing", hint)
	}
}

// private reports whether a value at this path may be a secret, and must not be repeated.
func private(path string) bool { return strings.HasPrefix(path, "spec.auth.") }

// quote is how a message repeats a value: never a private one, and never much of it.
func quote(path, value string) string {
	if private(path) {
		return "(not shown)"
	}
	const most = 60
	if runes := []rune(value); len(runes) > most {
		value = string(runes[:most]) + "..."
	}
	return fmt.Sprintf("%q", value)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
