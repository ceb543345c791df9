//go:build e2ekube

package e2ekube

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// repository is a git repository that a daemon follows.
type repository struct {
	b   *bench
	dir string
}

func (b *bench) repository() *repository {
	b.Helper()
	r := &repository{b, filepath.Join(b.dir, "source")}
	b.must(os.Mkdir(r.dir, 0o700))
	r.git("init", "-q", "-b", "main")
	return r
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (r *repository) git(args ...string) { r.b.Helper(); livetest.Git(r.b, r.dir, args...) }

// commit makes text the topology.
func (r *repository) commit(text string) {
	r.b.Helper()
	r.b.must(os.WriteFile(filepath.Join(r.dir, "orders.yaml"), []byte(text), 0o600))
	r.git("add", "-A")
	r.git("commit", "-qm", "change")
}

// log is the output of a daemon, which a test may read while it runs.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// daemon is a running slotwright.
type daemon struct {
	*exec.Cmd
	log *log
}

// daemon is one of a repository that has not begun.
func (b *bench) daemon(r *repository, more ...string) *daemon {
	args := append([]string{"run", "--source", "file://" + filepath.Join(r.dir, ".git"), "--branch", "main", "--interval", "1s", "--resync", "1m", "--failback-after", "5s"}, more...)
	d := &daemon{b.command(context.Background(), args...), &log{}}
	d.Stdout, d.Stderr = d.log, d.log
	return d
}

// followed is a cluster of three masters with a replica each, made by a daemon
// that follows a repository.
func followed(t *testing.T, more ...string) (*bench, *repository, *daemon) {
	t.Helper()
	b := newBench(t)
	r, d := b.formed(3, b.topology(3, 1), more...)
	return b, r, d
}

// formed has a daemon follow a repository with a topology of so many masters, each
// with a replica, until they are there.
func (b *bench) formed(masters int, text string, more ...string) (*repository, *daemon) {
	b.Helper()
	r := b.repository()
	r.commit(text)
	d := b.follows(r, more...)
	b.reaches(masters, 1)
	return r, d
}

// follows starts a daemon on a repository.
func (b *bench) follows(r *repository, more ...string) *daemon {
	b.Helper()
	d := b.daemon(r, more...)
	b.must(d.Start())
	b.Cleanup(func() {
		d.ends(syscall.SIGTERM)
		if b.Failed() {
			b.Logf("the daemon said:\n%s", d.log)
		}
	})
	return d
}

// ends stops a daemon and waits for its end.
func (d *daemon) ends(s syscall.Signal) {
	_ = d.Process.Signal(s)
	kill := time.AfterFunc(patience, func() { _ = d.Process.Kill() })
	defer kill.Stop()
	_ = d.Wait()
}
