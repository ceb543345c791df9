package spec

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Files that are made to cost memory or time, or to say a number that is none:
// each is a mistake, and costs neither.
func TestFilesThatAreMadeToDoHarmAreCheapMistakes(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := range 10 {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), ", "))
	}
	set := func(was, is string) string {
		text := fmt.Sprintf(plain, "orders")
		if !strings.Contains(text, was) {
			t.Fatalf("the plain topology has no %q", was)
		}
		return strings.Replace(text, was, is, 1)
	}
	masters := func(n string) string { return set("masters: 1", "masters: "+n) }
	more := func(line string) string { return set("platform: {local: {}}", "platform: {local: {}}, "+line) }
	for name, c := range map[string]struct{ text, word string }{
		"ten billion aliases":            {bomb.String(), "apiVersion is missing"},
		"ten billion aliases in a field": {strings.ReplaceAll(bomb.String(), "\na", "\n#a") + more("zones: *a10"), "not YAML"},
		"a key that merges itself":       {more("config: &a {<<: *a}"), ""},
		"a scalar of 10 MB":              {more("config: {maxmemory: " + strings.Repeat("9", 10<<20) + "}"), "more than 1 MiB"},
		"a scalar of almost 1 MiB":       {set("orders", strings.Repeat("o", 1<<20-200)), "name"},
		"a billion masters":              {masters("1000000000"), "from 1 to 1000"},
		"1e9 masters":                    {masters("1e9"), "whole number"},
		"no master":                      {masters("0"), "from 1 to 1000"},
		"less than none":                 {masters("-3"), "from 1 to 1000"},
		"not a number":                   {masters(".NaN"), "whole number"},
		"infinitely many":                {masters(".inf"), "whole number"},
		"more than fits":                 {masters("99999999999999999999999999"), "out of any range"},
		"as octal":                       {masters("0o17"), "whole number"},
		"a duration that is none":        {more("migration: {maxLatency: soon}"), "maxLatency"},
		"a duration that overflows":      {more("migration: {maxLatency: 9999999999h}"), "maxLatency"},
		"a duration below zero":          {more("migration: {maxLatency: -20ms}"), "maxLatency"},
		"a duration without a unit":      {more("migration: {maxLatency: '20'}"), "maxLatency"},
		"a million brackets":             {strings.Repeat("[", 1<<20-1), "depth"},
		"a million documents":            {strings.Repeat("--- \n", 200_000), ""},
		"a million keys":                 {"a:\n" + strings.Repeat(" k: 1\n", 170_000), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			all, err := Load([]Source{{Name: "f.yaml", Data: []byte(c.text)}})
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			if len(all) > 0 || err == nil || !strings.Contains(err.Error(), c.word) {
				t.Errorf("want %q, got %d topologies and %.300v", c.word, len(all), err)
			}
			if err != nil && len(err.Error()) > 1<<16 {
				t.Errorf("%d bytes of complaints", len(err.Error()))
			}
			if more := (after.TotalAlloc - before.TotalAlloc) >> 20; more > 512 || took > 2*time.Minute {
				t.Errorf("it took %s and %d MiB", took, more)
			}
		})
	}
}
