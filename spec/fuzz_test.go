package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"
	k8syaml "sigs.k8s.io/yaml"
)

// FuzzLoad holds of any bytes: either every topology is whole (it can be
// written and is read back the same, the schema accepts its file, and another
// reader of YAML sees the same in it), or every mistake has a place and a text.
func FuzzLoad(f *testing.F) {
	schema := compiledSchema(f)
	files, _ := filepath.Glob("testdata/*/*.y*ml")
	examples, _ := filepath.Glob("../examples/*/*.yaml")
	if len(files) == 0 || len(examples) == 0 {
		f.Fatal("no seeds")
	}
	for _, file := range append(files, examples...) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := Load([]Source{{Name: "f.yaml", Data: data}})
		for _, topology := range all {
			formatted(t, topology)
		}
		if err != nil {
			mistaken(t, err, data)
			return
		}
		for _, doc := range documents(t, data) {
			if err := schema.Validate(doc); err != nil {
				t.Errorf("the schema rejects what Load accepts: %v", err)
			}
		}
		if len(all) == 1 {
			readByAnother(t, data)
		}
	})
}

func formatted(t *testing.T, want Topology) {
	text, err := Format(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load([]Source{{Name: "f.yaml", Data: text}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Topology{want}, got, place, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("-want +got\n%s", diff)
	}
}

func mistaken(t *testing.T, err error, data []byte) {
	var mistakes Mistakes
	if !errors.As(err, &mistakes) || len(mistakes) == 0 {
		t.Fatalf("an error that is no mistake: %v", err)
	}
	last := 1 + bytes.Count(data, []byte("\n"))
	for _, m := range mistakes {
		if m.File != "f.yaml" || m.Line < 0 || m.Line > last+1 || m.Text == "" {
			t.Errorf("a mistake without its place: %+v", m)
		}
		if strings.ContainsFunc(m.String(), unprintable) {
			t.Errorf("what can't be printed is printed: %q", m.String())
		}
	}
}

// readByAnother reads the file straight, the way Kubernetes tools do (YAML 1.1):
// nothing that we accept means something else there.
func readByAnother(t *testing.T, data []byte) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	ours, err := yaml.Marshal(newPage("", 1).value(root.Content[0], reflect.TypeFor[document](), ""))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(leaves(t, ours), withOff(leaves(t, data))); diff != "" {
		t.Fatalf("another reader sees something else: -ours +theirs\n%s", diff)
	}
}

// withOff is what another reader sees, but for the one word that the format
// takes back from YAML 1.1.
func withOff(v any) any {
	root, _ := v.(map[string]any)
	if body, ok := root["spec"].(map[string]any); ok && body["zoneSpread"] == false {
		body["zoneSpread"] = string(Off)
	}
	return v
}

// leaves reads YAML 1.1, numbers as text: a directive's value may be either.
func leaves(t *testing.T, text []byte) any {
	asJSON, err := k8syaml.YAMLToJSONStrict(text)
	if err != nil {
		t.Fatalf("another reader refuses what Load accepts: %v", err)
	}
	var v any
	decoder := json.NewDecoder(bytes.NewReader(asJSON))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return withoutNumbers(v)
}

func withoutNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return v.String()
	case map[string]any:
		for key, value := range v {
			v[key] = withoutNumbers(value)
		}
	case []any:
		for i, value := range v {
			v[i] = withoutNumbers(value)
		}
	}
	return v
}
