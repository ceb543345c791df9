package spec

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the complaints in testdata")

func wrongFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d wrong files, %v", len(files), err)
	}
	return files
}

func loadBytes(t *testing.T, file string) ([]Topology, Mistakes) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Load([]Source{{Name: filepath.Base(file), Data: data}})
	var mistakes Mistakes
	if err != nil && !errors.As(err, &mistakes) {
		t.Fatalf("%s: the error is a %T", file, err)
	}
	return all, mistakes
}

func TestWrongFilesEarnExactlyTheseComplaints(t *testing.T) {
	for _, file := range wrongFiles(t) {
		_, mistakes := loadBytes(t, file)
		got := mistakes.Error() + "\n"
		golden := strings.TrimSuffix(file, ".yaml") + ".txt"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: -want +got\n%s", file, diff)
		}
	}
}

func TestNoWrongFileIsLoaded(t *testing.T) {
	for _, file := range wrongFiles(t) {
		all, mistakes := loadBytes(t, file)
		if len(mistakes) == 0 {
			t.Errorf("%s: no mistakes", file)
		}
		for _, topology := range all {
			if slices.ContainsFunc(mistakes, func(m Mistake) bool { return m.Cluster == topology.Name }) {
				t.Errorf("%s: %s has mistakes and was loaded", file, topology.Name)
			}
		}
	}
}

func TestNoComplaintRepeatsASecret(t *testing.T) {
	for _, file := range wrongFiles(t) {
		_, mistakes := loadBytes(t, file)
		if strings.Contains(mistakes.Error(), "canary") || strings.Contains(mistakes.Error(), "12345") {
			t.Errorf("%s: a secret is in\n%v", file, mistakes)
		}
	}
}

const plain = `apiVersion: slotwright/v1alpha1
kind: RedisCluster
metadata: {name: %s}
spec: {masters: 1, replicasPerMaster: 0, platform: {local: {}}}
`

func TestOneBadFileDoesNotStopTheOthers(t *testing.T) {
	all, err := Load([]Source{
		{Name: "a.yaml", Data: fmt.Appendf(nil, plain, "good")},
		{Name: "b.yaml", Data: fmt.Appendf(nil, plain, "No-")},
		{Name: "c.yaml", Data: []byte("{")},
	})
	if len(all) != 1 || all[0].Name != "good" {
		t.Errorf("loaded %+v", all)
	}
	var mistakes Mistakes
	if !errors.As(err, &mistakes) || len(mistakes) != 2 || mistakes[0].Cluster != "No-" || mistakes[0].Line != 3 {
		t.Errorf("mistakes %+v", err)
	}
}

func TestLimitsAreNamed(t *testing.T) {
	many := func(n int, text string) []byte { return bytes.Repeat([]byte(text), n) }
	nodes := bytes.NewBufferString("apiVersion: slotwright/v1alpha1\nkind: RedisCluster\nmetadata: {name: a}\nspec:\n" +
		"  masters: 1\n  replicasPerMaster: 0\n  platform:\n    static:\n      nodes:\n")
	for i := range maxNodes + 1 {
		fmt.Fprintf(nodes, "        - {name: n%d, address: \"h%d:1\"}\n", i, i)
	}
	var documents bytes.Buffer
	for i := range maxDocuments + 1 {
		fmt.Fprintf(&documents, plain+"---\n", fmt.Sprint("c", i))
	}
	for want, data := range map[string][]byte{
		"more than 1 MiB in one file":            many(maxFileBytes+1, "#"),
		"more than 1000 documents":               documents.Bytes(),
		"more than 1000 nodes":                   nodes.Bytes(),
		"more than 100 bytes":                    append([]byte("apiVersion: slotwright/v1alpha1\nkind: RedisCluster\n"), "? "+strings.Repeat("k", 101)+"\n"...),
		"from here on 903 more mistakes":         append([]byte("apiVersion: slotwright/v1alpha1\nkind: RedisCluster\n"), numbered(maxMistakes+899)...),
		"not YAML: exceeded max depth of 10000":  many(20_000, "["),
		"not YAML: exceeded max depth of 10000 ": many(20_000, "- "),
	} {
		_, err := Load([]Source{{Name: "f", Data: data}})
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("want %q, got %.300v", want, err)
		}
		if err != nil && len(err.Error()) > 1<<16 {
			t.Errorf("%q: %d bytes of complaints", want, len(err.Error()))
		}
	}
}

func numbered(n int) []byte {
	var out []byte
	for i := range n {
		out = fmt.Appendf(out, "key%d: 1\n", i)
	}
	return out
}

func TestNothingToReadIsAnError(t *testing.T) {
	if all, err := Load(nil); err == nil || all != nil {
		t.Errorf("loaded %v, %v", all, err)
	}
}

func TestLinesMayEndAsOnWindows(t *testing.T) {
	data := strings.ReplaceAll(fmt.Sprintf(plain, "a"), "\n", "\r\n")
	if all, err := Load([]Source{{Name: "a.yaml", Data: []byte(data)}}); err != nil || len(all) != 1 {
		t.Errorf("got %v, %v", all, err)
	}
}
