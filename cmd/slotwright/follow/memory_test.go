package follow

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
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
	if got.seen != "r3" || got.good != "r2" || seen(t, m) != "r3" {
		t.Errorf("seen %s, good %s", got.seen, got.good)
	}
	if info, err := os.Stat(m.Path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v: %v", info.Mode(), err)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(m.path), ".*"))
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

// A state directory that can't be written costs the memory of this revision and
// nothing else: the daemon says so and goes on.
func TestADiskThatIsFullOrReadOnlyStopsNothing(t *testing.T) {
	m := remembering(t, filepath.Join(t.TempDir(), "state"))
	first := newBook()
	first.turn(snap("r0", four), Origin{}, time.Now())
	if err := m.write(first); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Dir(m.path), filepath.Dir(m.path)+".away"); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRig(t, m)
		r.Log = slog.New(slog.NewTextHandler(&log, nil))
		r.runs(t, func() {
			r.says(answer{snapshot: snap("r1", three)})
			if got := r.tried(); got != "orders+++" {
				t.Errorf("tried %q", got)
			}
		})
		if !strings.Contains(log.String(), "not remembered") {
			t.Errorf("it does not say so:\n%s", &log)
		}
	})
	if err := os.Rename(filepath.Dir(m.path)+".away", filepath.Dir(m.path)); err != nil {
		t.Fatal(err)
	}
	if b, err := m.read(Origin{}); err != nil || b.seen != "r0" {
		t.Errorf("the older memory is %s, %v", b.seen, err)
	}
}

// What a killed process left of a memory it was writing is gone when the next
// one takes the lock; that of other sources stays.
func TestWhatAKilledWriterLeftIsSweptUp(t *testing.T) {
	state := t.TempDir()
	m, other := remembering(t, state), filepath.Join(state, ".source-0123.json.new-1")
	mine := filepath.Join(state, "."+filepath.Base(m.Path())+".new-")
	for _, name := range []string{mine + "1", mine + "2", other} {
		if err := os.WriteFile(name, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	free, _, err := m.Lock()
	if err != nil || free == nil {
		t.Fatal(err)
	}
	defer free()
	left, _ := filepath.Glob(filepath.Join(state, ".*"))
	if len(left) != 1 || left[0] != other {
		t.Errorf("left are %v", left)
	}
}

// A clock that jumped changes what people read, not what is done: orphans of
// the future are orphans, and what was remembered is used.
func TestAClockThatJumpsChangesNothing(t *testing.T) {
	for _, years := range []int{-30, 30} {
		m, b := remembering(t, t.TempDir()), newBook()
		at := time.Now().AddDate(years, 0, 0)
		b.turn(snap("r1", map[string]string{"o.yaml": text("orders", 1, 2, 3), "s.yaml": text("sessions", 11)}), Origin{}, at)
		b.turn(snap("r2", three), Origin{}, at)
		if err := m.write(b); err != nil {
			t.Fatal(err)
		}
		got, err := m.read(Origin{})
		if err != nil || !strings.HasPrefix(got.tells(), "orders=3@r2, sessions orphaned") {
			t.Fatalf("%d years: %s, %v", years, got.tells(), err)
		}
		got.turn(snap("r3", map[string]string{"s.yaml": text("sessions", 11)}), Origin{}, time.Now())
		if !strings.HasPrefix(got.tells(), "sessions=1@r3, orders orphaned") {
			t.Errorf("%d years, then: %s", years, got.tells())
		}
	}
}

// Whatever is in the file, what is made of it is topologies that may be wanted, or
// an error; never a panic, and never something that the source may not ask for.
func FuzzMemory(f *testing.F) {
	m := &Memory{path: filepath.Join(f.TempDir(), "source-0"), name: "seed"}
	if err := m.write(told()); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(m.Path())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"formatVersion":1,"seen":"r","clusters":[null,{"topology":"{"}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := &Memory{path: filepath.Join(t.TempDir(), "source-0"), name: "fuzz"}
		if err := os.WriteFile(m.Path(), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		confined := Origin{Confined: true}
		b, _ := m.read(confined)
		for name, e := range b.entries {
			if e.Topology.Name != name || len(confined.refuse(e.Topology)) > 0 {
				t.Fatalf("%s is %+v", name, e)
			}
		}
	})
}

func seen(t *testing.T, m *Memory) string {
	t.Helper()
	revision, err := m.Seen()
	if err != nil {
		t.Error(err)
	}
	return revision
}

// Whoever asks which history a branch had must not be told that it had none.
func TestADamagedMemoryIsNotAnEmptyOne(t *testing.T) {
	for _, text := range []string{"", "garb{{", `{"formatVersion":99}`} {
		m, err := Remember(t.TempDir(), "source", "word")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(m.Path(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if revision, err := m.Seen(); err == nil {
			t.Errorf("%q: revision %q without an error", text, revision)
		}
	}
}
