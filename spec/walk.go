package spec

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

const (
	maxDepth    = 20 // of what is kept as it is (resources)
	maxKeyBytes = 100
)

// instead says what to write where people like to write something else.
var instead = map[string]string{
	"spec.auth.password":        "a password is never written here; say where it is found: {env: NAME}, {file: PATH} or {secret: {name: S, key: K}}",
	"spec.auth.password.secret": "write {name: S, key: K}",
	"spec.platform.local":       "write local: {} for all defaults",
	"metadata":                  "write {name: NAME}",
}

// value checks one value of a file against the Go type it is for, notes where
// everything stands, and returns a plain copy: no comments, anchors or tags,
// text always quoted, and nothing in it that was wrong. A wrong value is nil.
func (p *page) value(n *yaml.Node, t reflect.Type, path string) *yaml.Node {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p.exotic(n, path) {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		fields := fieldsOf(t)
		return p.mapping(n, path, func(key *yaml.Node) reflect.Type {
			if t, ok := fields[key.Value]; ok {
				return t
			}
			p.unknown(key, path, fields)
			return nil
		})
	case reflect.Map:
		return p.mapping(n, path, func(key *yaml.Node) reflect.Type {
			at := join(path, key.Value)
			p.lines[at] = key.Line
			if p.text(key, at) == nil {
				return nil
			}
			return t.Elem()
		})
	case reflect.Slice:
		return p.list(n, t.Elem(), path)
	case reflect.Interface:
		return p.free(n, path)
	default:
		return p.scalar(n, t, path)
	}
}

// exotic complains about what a file of facts has no need for. Aliases are
// never followed, so they can't blow up a small file either.
func (p *page) exotic(n *yaml.Node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		p.say(path, path+" uses a YAML anchor or alias", "write the value out")
	case n.Style&yaml.TaggedStyle != 0:
		p.say(path, path+" uses a YAML tag", "write the value without !")
	case n.Kind == yaml.ScalarNode && n.Style == 0 && n.ShortTag() == "!!null":
		p.say(path, path+" has no value", instead[path])
	default:
		return false
	}
	return true
}

// mapping reads keys and values; typeOf gives the type for a key, or complains
// and gives nil.
func (p *page) mapping(n *yaml.Node, path string, typeOf func(key *yaml.Node) reflect.Type) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		p.say(path, path+" must hold keys and values", instead[path])
		return nil
	}
	out := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !p.key(key, path) {
			continue
		}
		at := join(path, key.Value)
		if first, twice := seen[key.Value]; twice {
			p.sayAt(key.Line, path, fmt.Sprintf("key %s is written twice, first on line %d", quote(path, key.Value), first), "")
			continue
		}
		seen[key.Value] = key.Line
		t := typeOf(key)
		if t == nil {
			continue
		}
		p.lines[at] = key.Line
		if v := p.value(value, t, at); v != nil {
			out.Content = append(out.Content, textNode(key.Value), v)
		} else {
			p.void[at] = true
		}
	}
	return out
}

// key complains about keys that are no plain words.
func (p *page) key(n *yaml.Node, path string) bool {
	switch {
	case n.Kind != yaml.ScalarNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 && n.Value != "<<":
		p.sayAt(n.Line, path, "a key must be a plain word", "")
	case n.Value == "<<" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0:
		p.sayAt(n.Line, path, "YAML merge keys are not read", "write the keys out")
	case len(n.Value) > maxKeyBytes || strings.ContainsFunc(n.Value, unprintable):
		p.sayAt(n.Line, path, fmt.Sprintf("%s can't be a key: more than %d bytes, or not printable", quote(path, n.Value), maxKeyBytes), "")
	default:
		return true
	}
	return false
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// sayAt notes a mistake in a key that has no path of its own.
func (p *page) sayAt(line int, path, text, hint string) {
	if path != "" {
		text = path + ": " + text
	}
	p.mistakes = append(p.mistakes, Mistake{File: p.file, Line: line, Text: text, Hint: hint})
}

func (p *page) list(n *yaml.Node, t reflect.Type, path string) *yaml.Node {
	if n.Kind != yaml.SequenceNode {
		p.say(path, path+" must be a list", "write [a, b], or one line with - for each")
		return nil
	}
	if len(n.Content) == 0 && t.Kind() != reflect.Interface {
		p.say(path, path+" is empty", "write a value, or leave it out")
		return nil
	}
	out := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		p.lines[at] = item.Line
		v := p.value(item, t, at)
		if v == nil { // the items behind it keep their places, and so their lines
			p.void[at] = true
			v = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
		}
		out.Content = append(out.Content, v)
	}
	return out
}

// free keeps a value as it is, whatever its shape.
func (p *page) free(n *yaml.Node, path string) *yaml.Node {
	any := reflect.TypeFor[any]()
	switch {
	case strings.Count(path, ".")+strings.Count(path, "[") > maxDepth:
		p.say(path, fmt.Sprintf("more than %d levels deep", maxDepth), "")
		return nil
	case n.Kind == yaml.MappingNode:
		return p.value(n, reflect.MapOf(reflect.TypeFor[string](), any), path)
	case n.Kind == yaml.SequenceNode:
		return p.list(n, any, path)
	case n.Style == 0 && (n.Value == "true" || n.Value == "false"):
		return p.truth(n, path)
	case n.Style == 0 && (wholeNumber.MatchString(n.Value) || fraction.MatchString(n.Value)):
		return &yaml.Node{Kind: yaml.ScalarNode, Value: n.Value}
	default:
		return p.text(n, path)
	}
}
