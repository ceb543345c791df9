package gitsync

import (
	"sync"

	"github.com/fsnotify/fsnotify"
)

// watches turns file system events into one wish to look. Directories are
// watched and never files: a file's watch is gone with the first editor that
// saves by renaming.
type watches struct {
	*fsnotify.Watcher
	changed chan struct{} // holds at most one wish
	partial bool          // something could not be watched
	done    sync.WaitGroup
}

func newWatches() (*watches, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	ws := &watches{Watcher: w, changed: make(chan struct{}, 1)}
	ws.done.Go(ws.drain)
	return ws, nil
}

// drain empties both channels until they are closed: fsnotify stops at a
// full one. An error, an overflow of the event queue for instance, means that
// something may have been missed, which is a reason to look.
func (ws *watches) drain() {
	events, errs := ws.Events, ws.Errors
	for events != nil || errs != nil {
		select {
		case e, open := <-events:
			if !open {
				events = nil
			} else if e.Op != fsnotify.Chmod { // indexers and backups do that
				ws.note()
			}
		case _, open := <-errs:
			if !open {
				errs = nil
			} else {
				ws.note()
			}
		}
	}
}

func (ws *watches) note() {
	select {
	case ws.changed <- struct{}{}:
	default:
	}
}

// follow watches exactly the directories given, and reports whether one of
// them is watched only from now on.
func (ws *watches) follow(dirs map[string]bool) (added bool) {
	watched := map[string]bool{}
	for _, d := range ws.WatchList() {
		watched[d] = true
		if !dirs[d] {
			_ = ws.Remove(d)
		}
	}
	ws.partial = false
	for d := range dirs {
		if watched[d] {
			continue
		}
		if err := ws.Add(d); err != nil {
			ws.partial = true
		} else {
			added = true
		}
	}
	return added
}

func (ws *watches) close() error {
	err := ws.Close()
	ws.done.Wait()
	return err
}
