package spec

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	k8syaml "sigs.k8s.io/yaml"
)

func compiledSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("topology.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("topology.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// documents are those of a file as an editor hands them to the schema; nil
// when the file isn't YAML.
func documents(t *testing.T, data []byte) []any {
	t.Helper()
	var all []any
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		if err := decoder.Decode(&n); err != nil {
			return all
		}
		text, err := yaml.Marshal(&n)
		if err != nil {
			return nil
		}
		asJSON, err := k8syaml.YAMLToJSON(text)
		if err != nil {
			return nil
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, doc)
	}
}

func TestTheSchemaAcceptsWhatLoadAccepts(t *testing.T) {
	schema := compiledSchema(t)
	right, _ := filepath.Glob("testdata/right/*")
	examples, _ := filepath.Glob("../examples/*/*.yaml")
	if len(right) == 0 || len(examples) == 0 {
		t.Fatal("no files")
	}
	for _, file := range append(right, examples...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range documents(t, data) {
			if err := schema.Validate(doc); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

func TestTheSchemaAcceptsWhatFormatWrites(t *testing.T) {
	schema := compiledSchema(t)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		text, err := Format(anyTopology(r))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, doc := range documents(t, text) {
			if err := schema.Validate(doc); err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, text)
			}
		}
	}
}

// beyond are the wrong documents whose mistakes a schema can't see: those in how
// YAML is written, and those about several places at once.
var beyond = []string{
	"anchors orders", "counts-out-of-range together", "deep deep", "inventory half", "inventory unzoned",
	"platforms ports", "platforms imageless", "pods a-name-that-is-longer-than-a-stateful-set", "pods 3-masters", "same-claims twin", "same-claims twin", "same-claims second",
	"same-claims on-its-ports", "same-claims on-its-bus", "same-claims in-its-place", "tls tls-23",
}

func TestTheSchemaRejectsEveryWrongDocumentItCan(t *testing.T) {
	schema := compiledSchema(t)
	var blind []string
	for _, file := range wrongFiles(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, mistakes := loadBytes(t, file)
		named := map[string]bool{}
		for _, m := range mistakes {
			named[m.Cluster] = true
		}
		for _, doc := range documents(t, data) {
			if top, ok := doc.(map[string]any); ok && named[nameIn(top)] && schema.Validate(doc) == nil {
				blind = append(blind, strings.TrimSuffix(filepath.Base(file), ".yaml")+" "+nameIn(top))
			}
		}
	}
	if diff := cmp.Diff(beyond, blind); diff != "" {
		t.Errorf("accepted by the schema: -want +got\n%s", diff)
	}
}

func nameIn(doc map[string]any) string {
	metadata, _ := doc["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	return name
}

func TestEveryKeyIsExplainedInTheSchema(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	explained(t, "", doc.(map[string]any))
}

func explained(t *testing.T, path string, s map[string]any) {
	properties, _ := s["properties"].(map[string]any)
	for key, value := range properties {
		property := value.(map[string]any)
		if text, _ := property["description"].(string); text == "" {
			t.Errorf("%s has no description", join(path, key))
		}
		explained(t, join(path, key), property)
	}
}
