package follow

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func remembering(t *testing.T, state string) *Memory {
	t.Helper()
	m, err := Remember(state, "https://git.test/r.git", "https://git.test/r.git", "main")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// told is a book that has seen a good revision, one with an orphan, and one
// with a mistake.
func told() *book {
	b := newBook()
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	b.turn(snap("r1", map[string]string{"a/o.yaml": text("orders", 1, 2, 3), "s.yaml": text("sessions", 11, 12, 13)}), Origin{}, at)
	b.turn(snap("r2", map[string]string{"a/o.yaml": text("orders", 1, 2, 3, 4)}), Origin{}, at)
	b.turn(snap("r3", map[string]string{"a/o.yaml": typo}), Origin{}, at)
	return b
}

func TestWhatIsRememberedIsReadBack(t *testing.T) {
	m := remembering(t, t.TempDir())
	want := told()
	if err := m.write(want); err != nil {
		t.Fatal(err)
	}
	got, err := m.read(Origin{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.entries, got.entries); diff != "" {
		t.Errorf("the clusters differ:\n%s", diff)
	}
	if got.seen != "r3" || got.good != "r2" || m.Seen() != "r3" {
		t.Errorf("seen %s, good %s", got.seen, got.good)
	}
	if info, err := os.Stat(m.Path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v: %v", info.Mode(), err)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(m.Path()), ".source-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWhatCannotBeTrustedIsNotRemembered(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want string
	}{
		"nothing written yet": {"", ""},
		"cut off":             {`{"formatVersion":1,"clus`, "unexpected end"},
		"another format":      {`{"formatVersion":2}`, "format 2"},
		"no topology":         {`{"formatVersion":1,"seen":"r","clusters":[{"file":"o.yaml","topology":"masters: 3"}]}`, "o.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			m := remembering(t, t.TempDir())
			if c.text != "" {
				if err := os.WriteFile(m.Path(), []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			b, err := m.read(Origin{})
			if len(b.entries) > 0 || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %d clusters and %v, want %q", len(b.entries), err, c.want)
			}
		})
	}
}

func TestAMemoryFromBeforeAPermissionWasWithdrawnIsNotUsed(t *testing.T) {
	m := remembering(t, t.TempDir())
	b := newBook()
	b.turn(snap("r1", map[string]string{"o.yaml": text("orders", 1, 2, 3) + "  auth: {password: {file: /etc/shadow}}\n"}), Origin{}, time.Now())
	if err := m.write(b); err != nil {
		t.Fatal(err)
	}
	got, err := m.read(Origin{Confined: true, Base: "/secrets"})
	if err == nil || len(got.entries) > 0 {
		t.Errorf("got %d clusters, %v", len(got.entries), err)
	}
}

func TestOnlyOrphansAreForgotten(t *testing.T) {
	m := remembering(t, t.TempDir())
	if err := m.write(told()); err != nil {
		t.Fatal(err)
	}
	if err := m.Forget([]string{"orders", "sessions"}); err != nil {
		t.Fatal(err)
	}
	b, err := m.read(Origin{})
	if err != nil || b.tells() != "orders=4@r2" || b.seen != "r3" {
		t.Errorf("left are %s, seen %s: %v", b.tells(), b.seen, err)
	}
}

func TestSourcesHaveMemoriesAndLocksOfTheirOwn(t *testing.T) {
	state := t.TempDir()
	main := remembering(t, state)
	free, _, err := main.Lock()
	if err != nil || free == nil {
		t.Fatalf("lock: %v", err)
	}
	if again, holder, err := remembering(t, state).Lock(); again != nil || err != nil || !strings.HasPrefix(holder, "process ") {
		t.Errorf("the lock was taken twice, or nobody is named: %q, %v", holder, err)
	}
	other, err := Remember(state, "https://git.test/r.git", "https://git.test/r.git", "other")
	if err != nil {
		t.Fatal(err)
	}
	if otherFree, _, err := other.Lock(); otherFree == nil {
		t.Errorf("another branch is locked out: %v", err)
	}
	free()
	waited := false
	freed, err := remembering(t, state).Await(t.Context(), func(string) { waited = true })
	if err != nil || waited {
		t.Errorf("a freed lock: waited %v, %v", waited, err)
	}
	freed()
}
