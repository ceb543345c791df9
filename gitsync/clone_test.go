package gitsync

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestABranchIsFollowedOverEveryTransport(t *testing.T) {
	for _, transport := range []string{"http", "file"} {
		t.Run(transport, func(t *testing.T) {
			r := newRepo(t)
			r.write("a.yaml", "one")
			r.write("deep/b.yml", "two")
			r.write("README.md", "words")
			r.write(".github/ci.yaml", "hidden")
			first := r.commit("first")
			s := open(t, r.over(transport))
			got := mustNext(t, s, "")
			if want := "main@sha1:" + first; got.Revision != want {
				t.Errorf("revision %s, want %s", got.Revision, want)
			}
			if names := list(t, got); names != "a.yaml deep/b.yml" {
				t.Errorf("files %s", names)
			}
			if err := fstest.TestFS(got.Files, "a.yaml", "deep/b.yml"); err != nil {
				t.Error(err)
			}
			r.write("a.yaml", "three")
			second := r.commit("second")
			got = mustNext(t, s, got.Revision)
			if want := "main@sha1:" + second; got.Revision != want || read(t, got, "a.yaml") != "three" {
				t.Errorf("got %s with a.yaml %q, want %s with three", got.Revision, read(t, got, "a.yaml"), want)
			}
		})
	}
}

// over is the options that follow the repository over a transport.
func (r *repo) over(transport string) Options {
	r.t.Helper()
	if transport == "file" {
		return Options{URL: "file://" + r.bare}
	}
	return Options{URL: r.serve(nil, nil).URL + "/topology.git"}
}

func TestAnUnchangedBranchIsListedAndNotFetched(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	srv := r.serve(nil, nil)
	s := open(t, Options{URL: srv.URL + "/topology.git", Interval: time.Millisecond})
	have := mustNext(t, s, "").Revision
	before := srv.hits.Load()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for srv.hits.Load() < before+5 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if _, err := s.Next(ctx, have); !errors.Is(err, context.Canceled) {
		t.Errorf("Next returned %v, want it to go on until it is cancelled", err)
	}
	if srv.sent.Load() != 1 {
		t.Errorf("%d packs were fetched, want one", srv.sent.Load())
	}
}

func TestCloseEndsNext(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	s := open(t, r.over("file"))
	have := mustNext(t, s, "").Revision
	ended := make(chan error)
	go func() { _, err := s.Next(t.Context(), have); ended <- err }()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("Next returned %v after Close", err)
	}
	if _, err := s.Next(t.Context(), ""); !errors.Is(err, ErrClosed) {
		t.Errorf("Next returned %v on a closed source", err)
	}
}

func TestOnlyTheFolderAskedForIsRead(t *testing.T) {
	r := newRepo(t)
	r.write("teams/orders/a.yaml", "one")
	r.write("teams/other/b.yaml", "two")
	r.write("teams/file.yaml", "three")
	r.commit("first")
	o := r.over("file")
	o.Path = "teams/orders/"
	if got := list(t, mustNext(t, open(t, o), "")); got != "a.yaml" {
		t.Errorf("files %s, want only those of the folder", got)
	}
	for path, words := range map[string]string{
		"teams/gone":      "is not in the commit",
		"teams/file.yaml": "is not a folder",
	} {
		o.Path = path
		asRefused(t, refused(t, open(t, o), path, words))
	}
	o.Path = "../outside"
	if _, err := Clone(o); err == nil || !strings.Contains(err.Error(), "inside the repository") {
		t.Errorf("path %s: %v", o.Path, err)
	}
}

func TestASourceWithoutYAMLIsAnErrorAndNeverEmpty(t *testing.T) {
	r := newRepo(t)
	refused(t, open(t, r.over("file")), "empty")
	r.write("README.md", "words")
	r.commit("no topology")
	if err := refused(t, open(t, r.over("file")), "main@sha1:"); !errors.Is(err, ErrNoFiles) {
		t.Errorf("%v is not ErrNoFiles", err)
	}
}

// Every look is told of, also those that find nothing new or fail.
func TestLooksAreToldOf(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	told := make(chan error, 100)
	o := r.over("file")
	o.Interval, o.Looked = time.Millisecond, func(err error) {
		select {
		case told <- err:
		default:
		}
	}
	s := open(t, o)
	have := mustNext(t, s, "").Revision
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _, _ = s.Next(ctx, have) }()
	for i := range 3 {
		if err := <-told; err != nil {
			t.Fatalf("look %d: %v", i, err)
		}
	}
	cancel()
	_ = s.Close()
	o.Ref.Branch = "gone"
	refused(t, open(t, o), "gone")
	for err := range told {
		if err != nil {
			if !errors.Is(err, ErrNoRef) {
				t.Errorf("told %v", err)
			}
			return
		}
	}
}
