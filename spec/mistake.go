package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing wrong in what people wrote. Text and Hint never hold
// a value written under auth.
type Mistake struct {
	File    string
	Line    int    // from 1; 0 when it is about the file as a whole
	Cluster string // metadata.name of the document, where it could be read
	Text    string // what is wrong
	Hint    string // what to write instead; may be empty
}

// String is "file:line: text (hint)".
func (m Mistake) String() string {
	s := m.File
	if m.Line > 0 {
		s = fmt.Sprintf("%s:%d", s, m.Line)
	}
	s += ": " + m.Text
	if m.Hint != "" {
		s += " (" + m.Hint + ")"
	}
	return s
}

// Mistakes is everything wrong in what was read, by file and line. It is never
// empty when it is returned as an error.
type Mistakes []Mistake

// Error has one line for each mistake.
func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}

// maxMistakes is how many are told of one file.
const maxMistakes = 100

// cut leaves as many mistakes as a person can use.
func (ms Mistakes) cut() Mistakes {
	n := len(ms) - maxMistakes
	if n <= 0 {
		return ms
	}
	rest := Mistake{File: ms[maxMistakes].File, Line: ms[maxMistakes].Line, Text: fmt.Sprintf("from here on %d more mistakes", n)}
	return append(ms[:maxMistakes], rest)
}

// sort keeps the order of mistakes on one line: they were found in a sensible one.
func (ms Mistakes) sort() {
	slices.SortStableFunc(ms, func(a, b Mistake) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}
