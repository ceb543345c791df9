package spec

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	wholeNumber = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)
	fraction    = regexp.MustCompile(`^-?(0|[1-9][0-9]*)\.[0-9]+$`)

	// The plain scalars that some YAML reader in use takes for something other
	// than text: YAML 1.1 (yaml.org/type) with its octals, binaries, underscores
	// and base 60, and 1.2 with 0o7. Wider than each of them on purpose.
	number = regexp.MustCompile(`^[-+]?(0[xX][0-9a-fA-F_]*|0[oO][0-7_]*|0[bB][01_]*` +
		`|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?` +
		`|\.(inf|Inf|INF))$|^\.(nan|NaN|NAN)$`)
	base60 = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$`)
	date   = regexp.MustCompile(`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?$`)

	switchWords = []string{"true", "false", "yes", "no", "on", "off", "y", "n"}
)

// takenFor says what else than text a plain (unquoted) scalar is taken for by
// YAML readers; "" when all read it as text.
func takenFor(plain string) string {
	switch lower := strings.ToLower(plain); {
	case lower == "" || lower == "~" || lower == "null":
		return "nothing"
	case slices.Contains(switchWords, lower):
		return "true or false"
	case number.MatchString(plain):
		return "a number"
	case base60.MatchString(plain):
		return "a number in base 60"
	case date.MatchString(plain):
		return "a date"
	case plain == "=" || plain == "<<":
		return "a YAML instruction"
	}
	return ""
}

func (p *page) scalar(n *yaml.Node, t reflect.Type, path string) *yaml.Node {
	if n.Kind != yaml.ScalarNode {
		p.say(path, path+" must be a single value", "")
		return nil
	}
	switch {
	case t == reflect.TypeFor[scalar]():
		return p.textOrNumber(n, path)
	case t.Kind() == reflect.String:
		if n.Value == "" {
			p.say(path, path+" is empty", "write a value, or leave it out")
			return nil
		}
		return p.text(n, path)
	case t.Kind() == reflect.Int:
		return p.number(n, path)
	case t.Kind() == reflect.Bool:
		return p.truth(n, path)
	}
	panic("spec: no reader for a " + t.String())
}

// text is a string that every YAML reader takes for a string. Nothing unprintable:
// a line feed in a value could become a line of redis.conf, an escape sequence a
// command to somebody's terminal.
func (p *page) text(n *yaml.Node, path string) *yaml.Node {
	if n.Style == 0 && !plainOff(n.Value, path) {
		if what := takenFor(n.Value); what != "" {
			p.say(path, fmt.Sprintf("%s must be text, but %s without quotes is taken for %s", path, quote(path, n.Value), what),
				cmp.Or(inUnits[path], "put it in quotes"))
			return nil
		}
	}
	if strings.ContainsFunc(n.Value, unprintable) {
		p.say(path, path+" holds a line break or something else that can't be printed", "")
		return nil
	}
	return textNode(n.Value)
}

// inUnits is how to write what is no text because its unit is missing.
var inUnits = map[string]string{
	"spec.slots.tolerance":      "such as 2%",
	"spec.migration.maxLatency": "such as 20ms",
}

// plainOff is the one word of the format that YAML 1.1 takes for a truth value.
// The rule has no truth values, so zoneSpread: Off can mean nothing else.
func plainOff(value, path string) bool { return path == "spec.zoneSpread" && value == string(Off) }

func (p *page) textOrNumber(n *yaml.Node, path string) *yaml.Node {
	if n.Style == 0 && wholeNumber.MatchString(n.Value) {
		return textNode(n.Value)
	}
	return p.text(n, path)
}

func (p *page) number(n *yaml.Node, path string) *yaml.Node {
	if n.Style != 0 || !wholeNumber.MatchString(n.Value) {
		p.say(path, fmt.Sprintf("%s must be a whole number, not %s", path, quote(path, n.Value)), "plain decimal digits, without quotes")
		return nil
	}
	if _, err := strconv.ParseInt(n.Value, 10, 32); err != nil {
		p.say(path, fmt.Sprintf("%s is out of any range: %s", path, quote(path, n.Value)), "")
		return nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: n.Value}
}

func (p *page) truth(n *yaml.Node, path string) *yaml.Node {
	if n.Style != 0 || n.Value != "true" && n.Value != "false" {
		p.say(path, fmt.Sprintf("%s must be true or false, not %s", path, quote(path, n.Value)), "")
		return nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: n.Value}
}

func textNode(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: value}
}
