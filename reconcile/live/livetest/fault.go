package livetest

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Kill ends server i at once (SIGKILL); its data stays.
func (f *Fleet) Kill(i int) { f.Servers[i].kill() }

// Pause suspends server i: it holds its connections and answers nothing.
func (f *Fleet) Pause(i int) { f.signal(i, syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (f *Fleet) Resume(i int) { f.signal(i, syscall.SIGCONT) }

// Again starts a killed server with the data it has, and waits until it
// answers.
func (f *Fleet) Again(i int) {
	f.t.Helper()
	f.launch(f.Servers[i])
	f.waitUp(f.Servers[i])
}

// Wipe kills server i, removes its data and its memory of the cluster, and
// starts it at the same address: a volume that was lost.
func (f *Fleet) Wipe(i int) {
	f.t.Helper()
	f.Kill(i)
	entries, err := os.ReadDir(f.Servers[i].Dir)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "log" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(f.Servers[i].Dir, e.Name())); err != nil {
			f.t.Fatal(err)
		}
	}
	f.Again(i)
}

// Rotate changes the password of all servers and throws out every client. The
// fleet's own new connections use the new one.
func (f *Fleet) Rotate(t testing.TB, password string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, s := range f.Servers {
		c := f.Client(s)
		for _, words := range [][]any{
			{"CONFIG", "SET", "masterauth", password}, {"CONFIG", "SET", "requirepass", password}, {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"},
		} {
			if err := c.Do(ctx, words...).Err(); err != nil {
				t.Fatalf("rotate the password of %s: %v", s.Name, err)
			}
		}
	}
	f.opts.Password = password
}

func (f *Fleet) signal(i int, s os.Signal) {
	f.t.Helper()
	if err := f.Servers[i].cmd.Process.Signal(s); err != nil {
		f.t.Fatalf("%v to %s: %v", s, f.Servers[i].Name, err)
	}
}

// kill ends the process and waits until it is gone, so that its ports are free.
func (s *Server) kill() {
	if s.cmd == nil || s.cmd.ProcessState != nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have died by itself
	_ = s.cmd.Wait()         // "signal: killed" is what was asked for
}
