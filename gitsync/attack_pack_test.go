package gitsync

import (
	"bytes"
	"context"
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

// A hundred thousand small files of which one is YAML cost neither much memory
// nor much time. (Too many that are YAML are the cap Files.)
func TestAHundredThousandSmallFilesAreBounded(t *testing.T) {
	const many = 99_000
	r := newRepo(t)
	r.fastImport(many+1, func(i int) string {
		if i == many {
			return "a.yaml"
		}
		return fmt.Sprintf("d%02d/f%d.txt", i%100, i)
	}, func(i int) string { return fmt.Sprint("number ", i) })
	o := r.over("file")
	o.Timeout = patient
	s := open(t, o)
	done := bounded(t, 128*mib)
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	got, err := s.Next(ctx, "")
	done()
	if err != nil || list(t, got) != "a.yaml" {
		t.Errorf("read %v, %v", got.Files, err)
	}
}

// patient is longer than anything bounded takes on a machine that is busy with
// something else, and shorter than what never ends.
const patient = 3 * time.Minute

// bounded fails the test if the heap grows by more than some bytes, or too much
// time passes, until the returned function is called. The time is a bound,
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
		if took > patient {
			t.Errorf("it took %s", took)
		}
	}
}
