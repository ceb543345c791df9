package livetest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// writePatience and readPatience are how long a client follows redirections
	// and refusals before it turns to another key.
	writePatience = 3 * time.Second
	readPatience  = 3 * time.Second
	auditPatience = 60 * time.Second
	// copying is how long a write waits for the replica.
	copying = 200 * time.Millisecond
)

// sight is a version that a reader had, from whom, and when it had asked and
// was answered.
type sight struct {
	version     int64
	addr        string
	sent, ended time.Time
}

// rewrite writes the next version of a key. When nobody can say whether it
// arrived, or still will, the key is left as it is for ever and a new one takes
// its place: otherwise the late one could overwrite its own successor.
func (tr *Truth) rewrite(r *router, n int) {
	k := tr.hot[n].Load()
	if tr.write(r, k) {
		return
	}
	name, _, _ := strings.Cut(k.name, "~")
	tr.hot[n].Store(tr.key(fmt.Sprintf("%s~%d", name, k.tried.Load())))
}

// write writes the next version of a key and reports whether its end is known.
func (tr *Truth) write(r *router, k *truthKey) bool {
	version := k.tried.Add(1)
	cmds := [][]any{{"SET", k.name, fmt.Sprintf("%s=%d", k.name, version)}}
	if deletes(version) {
		cmds[0] = []any{"DEL", k.name}
	}
	if tr.opts.Replicas {
		cmds = append(cmds, []any{"WAIT", 1, copying.Milliseconds()})
	}
	tr.count.writes.Add(1)
	a := r.send(k.slot, writePatience, cmds...)
	if a.refused != nil { // it changed nothing
		tr.count.refused.Add(1)
		k.tried.Add(-1)
		return true
	}
	w := write{version: version, addr: a.addr, sent: a.sent, acked: a.unknown == nil}
	if w.acked && len(a.values) > 1 {
		copies, _ := a.values[1].(int64)                 // 0 when it took too long
		w.copied = copies > 0 && a.values[0] != int64(0) // what deleted nothing was sent to no replica
	}
	k.mu.Lock()
	k.writes = append(k.writes, w)
	k.mu.Unlock()
	if !w.acked {
		tr.count.unknown.Add(1)
		return false
	}
	if w.copied {
		tr.count.copied.Add(1)
	}
	k.floor.Store(version)
	return true
}

// read reads a key and notes what is to be explained. It reports whether there
// was an answer.
func (tr *Truth) read(r *router, k *truthKey, seen map[*truthKey]sight, patience time.Duration) bool {
	floor, saw := k.floor.Load(), sight{}
	if s := seen[k]; s.version > floor {
		floor, saw = s.version, s
	}
	tr.count.reads.Add(1)
	a := r.send(k.slot, patience, []any{"GET", k.name})
	if a.refused != nil || a.unknown != nil {
		tr.count.refused.Add(1)
		return false
	}
	got, ok := versionOf(k.name, a.values[0])
	switch tried := k.tried.Load(); {
	case !ok || got > tried:
		got = -1 // nobody wrote that
	case got == 0:
		got = goneAt(floor, tried)
	}
	if seen != nil && got > 0 {
		seen[k] = sight{got, a.addr, a.sent, time.Now()}
	}
	if got < floor {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.reads = append(tr.reads, read{k, got, floor, a.addr, saw, time.Now()})
	}
	return true
}

// deletion is how many versions of a key there are to each that deletes it.
const deletion = 5

// deletes says whether a version is a deletion. Version 0 is that of a key nobody
// has written yet.
func deletes(version int64) bool { return version%deletion == 0 }

// goneAt is the version of a key that is not there: the oldest deletion that is
// new enough, if one was sent, else the newest one before.
func goneAt(floor, tried int64) int64 {
	if next := (floor + deletion - 1) / deletion * deletion; next <= tried {
		return next
	}
	return floor / deletion * deletion
}

// versionOf reads the version out of a value; nothing is version 0.
func versionOf(name string, value any) (int64, bool) {
	if value == nil {
		return 0, true
	}
	of, digits, ok := strings.Cut(fmt.Sprint(value), "=")
	version, err := strconv.ParseInt(digits, 10, 64)
	return version, ok && err == nil && of == name && !deletes(version)
}
