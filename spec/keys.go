package spec

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fieldsOf are the keys of a struct of the file format and their types.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name] = t.Field(i).Type
	}
	return fields
}

// unknown complains about a key and says which one may be meant.
func (p *page) unknown(key *yaml.Node, path string, fields map[string]reflect.Type) {
	known := slices.Sorted(maps.Keys(fields))
	hint := "known here: " + strings.Join(known, ", ")
	if near := nearest(key.Value, known); near != "" {
		hint = "did you mean " + near + "?"
		if strings.EqualFold(near, key.Value) {
			hint += " upper and lower case matter"
		}
	}
	p.sayAt(key.Line, path, fmt.Sprintf("unknown key %s", quote(path, key.Value)), hint)
}

// nearest is the word at most a third of its letters away, "" if none is.
func nearest(word string, known []string) string {
	best, least := "", 1+max(len(word), 3)/3
	for _, k := range known {
		if strings.EqualFold(k, word) {
			return k
		}
		if len(word) > 2*len(k)+2 {
			continue // too long to be meant, and costly to measure
		}
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is Levenshtein's: the fewest letters added, removed or replaced.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
