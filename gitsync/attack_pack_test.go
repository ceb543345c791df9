package gitsync

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A chain of deltas, each with the one before as its base, that is longer than
// git itself makes one (4095, pack.depth of git-config).
func TestAnEndlessChainOfDeltasIsRefused(t *testing.T) {
	base := bytes.Repeat([]byte("x"), 1000)
	objects := [][]byte{packed(blobType, len(base), nil, base)}
	for i := range 5000 {
		// Each delta inserts its own number before a copy of the rest, so
		// that no two results are alike.
		d := binary.AppendUvarint(nil, uint64(len(base)))
		d = binary.AppendUvarint(d, uint64(len(base)))
		d = append(d, 4)
		d = binary.BigEndian.AppendUint32(d, uint32(i))
		d = append(d, 0x80|0x01|0x30, 4, byte(len(base)-4), byte((len(base)-4)>>8))
		objects = append(objects, packed(ofsDeltaType, len(d), offsetTo(len(objects[len(objects)-1])), d))
	}
	raw := packOf(objects...)
	done := bounded(t, 32*mib)
	p, err := spool(t.Context(), bytes.NewReader(raw), t.TempDir(), Caps{}.withDefaults())
	done()
	if err == nil {
		_ = p.Close()
		t.Fatal("it was taken")
	}
	if !strings.Contains(err.Error(), "depth") {
		t.Errorf("%v does not name the depth", err)
	}
}

// offsetTo is how a delta names a base that many bytes before it
// (https://git-scm.com/docs/pack-format, "offset encoding").
func offsetTo(back int) []byte {
	out := []byte{byte(back & 0x7f)}
	for back >>= 7; back > 0; back >>= 7 {
		back--
		out = append([]byte{byte(back&0x7f) | 0x80}, out...)
	}
	return out
}

// fastImport fills the bare repository with a commit of n files, far faster
// than a work tree would.
func (r *repo) fastImport(n int, name, content func(i int) string) {
	r.t.Helper()
	var b strings.Builder
	b.WriteString("commit refs/heads/main\ncommitter c <c@example.com> 1700000000 +0000\ndata 4\nmany\n")
	for i := range n {
		text := content(i)
		fmt.Fprintf(&b, "M 644 inline %s\ndata %d\n%s\n", name(i), len(text), text)
	}
	cmd := exec.Command("git", "fast-import", "--quiet")
	cmd.Dir, cmd.Env, cmd.Stdin = r.bare, gitEnv(r.root), strings.NewReader(b.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("git fast-import: %v\n%s", err, out)
	}
}

// A hundred thousand small files: those that are no YAML are passed over, those
// that are YAML are too many, and neither takes much memory or time.
func TestAHundredThousandSmallFilesAreBounded(t *testing.T) {
	const many = 99_000
	for name, c := range map[string]struct {
		ending, word string // word is of the refusal; "" takes the snapshot
	}{
		"none of them YAML": {".txt", ""},
		"all of them YAML":  {".yaml", "cap Files"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.fastImport(many+1, func(i int) string {
				if i == many {
					return "a.yaml"
				}
				return fmt.Sprintf("d%02d/f%d%s", i%100, i, c.ending)
			}, func(i int) string { return fmt.Sprint("number ", i) })
			s := open(t, r.over("file"))
			done := bounded(t, 128*mib)
			defer done()
			if c.word != "" {
				refused(t, s, c.word)
			} else if got := list(t, mustNext(t, s, "")); got != "a.yaml" {
				t.Errorf("read %s", got)
			}
		})
	}
}

// bounded fails the test if the heap grows by more than some bytes, or half a
// minute passes, until the returned function is called. The time is a bound,
// not a measure: what it is against never ends.
func bounded(t *testing.T, grown int64) (done func()) {
	t.Helper()
	before, peak, began := int64(heap()), watchHeap(t), time.Now()
	return func() {
		t.Helper()
		took, more := time.Since(began), int64(peak())-before
		t.Logf("%s, heap +%d MiB", took.Round(time.Millisecond), more/mib)
		if more > grown {
			t.Errorf("the heap grew by %d MiB, at most %d are due", more/mib, grown/mib)
		}
		if took > 30*time.Second {
			t.Errorf("it took %s", took)
		}
	}
}
