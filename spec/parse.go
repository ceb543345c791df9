package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	k8syaml "sigs.k8s.io/yaml"
)

const maxDocuments = 1000 // in one file

// parse reads one file: its topologies without mistakes, and every mistake,
// though no more than a person can use.
func parse(src Source) ([]Topology, Mistakes) {
	if m := unreadable(src); m != nil {
		return nil, Mistakes{*m}
	}
	found, mistakes := parseText(src)
	return found, mistakes.cut()
}

func parseText(src Source) ([]Topology, Mistakes) {
	var (
		found    []Topology
		mistakes Mistakes
	)
	decoder := yaml.NewDecoder(bytes.NewReader(src.Data))
	for n := 0; ; n++ {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return nil, Mistakes{{File: src.Name, Text: "no topology here: the file is empty"}}
		case errors.Is(err, io.EOF):
			return found, mistakes
		case err != nil:
			return found, append(mistakes, syntaxMistake(src, err))
		case n == maxDocuments:
			return found, append(mistakes, Mistake{File: src.Name, Line: doc.Line, Text: fmt.Sprintf("more than %d documents in one file", maxDocuments)})
		}
		t, wrong := readDocument(src.Name, doc.Content[0])
		if len(wrong) == 0 {
			found = append(found, t)
		}
		mistakes = append(mistakes, wrong...)
	}
}

// unreadable finds what makes a file no text worth parsing.
func unreadable(src Source) *Mistake {
	at := func(offset int, text, hint string) *Mistake {
		return &Mistake{File: src.Name, Line: 1 + bytes.Count(src.Data[:offset], []byte("\n")), Text: text, Hint: hint}
	}
	if len(src.Data) > maxFileBytes {
		return &Mistake{File: src.Name, Text: fmt.Sprintf("more than %d MiB in one file", maxFileBytes>>20)}
	}
	if bytes.HasPrefix(src.Data, []byte("\ufeff")) {
		return at(0, "the file begins with a byte order mark", "save it as UTF-8 without one")
	}
	if i := bytes.IndexByte(src.Data, 0); i >= 0 {
		return at(i, "the file holds a NUL byte", "it must be UTF-8 text")
	}
	if !utf8.Valid(src.Data) {
		valid := 0
		for r, size := utf8.DecodeRune(src.Data); r != utf8.RuneError || size > 1; r, size = utf8.DecodeRune(src.Data[valid:]) {
			valid += size
		}
		return at(valid, "the file is not UTF-8 text", "")
	}
	if i := unseen.FindIndex(src.Data); i != nil {
		r, _ := utf8.DecodeRune(src.Data[i[0]:])
		return at(i[0], fmt.Sprintf("the file holds the invisible character %U", r), "lines end with LF or CR LF; nothing else may move what is seen")
	}
	return nil
}

// unseen are characters that end a line or turn the direction of text in some
// programs and not in others: with one of them a file could be reviewed as one
// thing and read as another, and its lines would be counted differently.
var unseen = regexp.MustCompile("\r(?:[^\n]|$)|[\u0085\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")

var (
	yamlError    = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)
	unknownAlias = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)
	tabIndent    = regexp.MustCompile(`^ *\t`)
)

// syntaxMistake puts a complaint of the YAML library in our form. After one
// the rest of the file can't be read.
func syntaxMistake(src Source, err error) Mistake {
	m := Mistake{File: src.Name, Text: "not YAML"}
	parts := yamlError.FindStringSubmatch(err.Error())
	if parts == nil {
		return m
	}
	m.Line, _ = strconv.Atoi(parts[1])
	if alias := unknownAlias.FindStringSubmatch(parts[2]); alias != nil { // may be a password that begins with *
		before, _, _ := strings.Cut(string(src.Data), "*"+alias[1])
		m.Line = 1 + strings.Count(before, "\n")
		m.Text, m.Hint = "not YAML: an alias (*) without its anchor", "put text that begins with * in quotes"
	} else {
		m.Text += ": " + parts[2]
	}
	if lines := strings.Split(string(src.Data), "\n"); m.Line > 0 && m.Line <= len(lines) && tabIndent.MatchString(lines[m.Line-1]) {
		m.Hint = "indent with spaces, not with tabs"
	}
	return m
}

// readDocument reads one document. The YAML library gives the tree with its
// lines, which the strict rules are held against; what is left of it
// is decoded as Kubernetes decodes its manifests.
func readDocument(file string, root *yaml.Node) (Topology, Mistakes) {
	p := newPage(file, root.Line)
	if !p.ours(root) {
		return Topology{}, p.mistakes
	}
	var d document
	clean, err := yaml.Marshal(p.value(root, reflect.TypeFor[document](), ""))
	if err == nil {
		err = k8syaml.UnmarshalStrict(clean, &d)
	}
	if err != nil {
		p.say("", "can't be decoded: "+err.Error(), "")
		return Topology{}, p.mistakes
	}
	t := p.topology(&d)
	p.mistakes.sort()
	for i := range p.mistakes {
		p.mistakes[i].Cluster = d.Metadata.Name
	}
	return t, p.mistakes
}

// ours reports whether a document is a topology. Nothing else is passed over:
// a misspelt kind would be a cluster silently forgotten.
func (p *page) ours(root *yaml.Node) bool {
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		p.say("", "the document is empty", "remove it with its ---")
		return false
	}
	if root.Kind != yaml.MappingNode || root.Anchor != "" || root.Style&yaml.TaggedStyle != 0 {
		p.say("", "the document is no topology: it has no keys and values", "")
		return false
	}
	for _, want := range []struct{ key, value string }{{"apiVersion", apiVersion}, {"kind", kind}} {
		got, line, ok := topLevel(root, want.key)
		p.lines[want.key] = line
		switch {
		case !ok:
			delete(p.lines, want.key)
			p.say("", want.key+" is missing", fmt.Sprintf("write %s: %s", want.key, want.value))
		case got != want.value:
			p.say(want.key, fmt.Sprintf("%s is %s", want.key, quote("", got)),
				fmt.Sprintf("write %s; files of other kinds have no place here", want.value))
		}
	}
	return len(p.mistakes) == 0
}

func topLevel(root *yaml.Node, key string) (value string, line int, ok bool) {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if k := root.Content[i]; k.Kind == yaml.ScalarNode && k.Value == key {
			return root.Content[i+1].Value, k.Line, true
		}
	}
	return "", 0, false
}
