package spec

import (
	"regexp"
	"slices"
	"strings"
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
