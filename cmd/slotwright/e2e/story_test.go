//go:build e2e

package e2e

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// This file has what tells of the life of a cluster: status, log, metrics and the
// statuses of commits, each held against what must have happened.

// story is one cluster, and all that tells of it.
type story struct {
	b      *bench
	r      *repo
	source string
	flags  []string // of the daemon

	d       *daemon
	forge   forge
	heard   *heard
	want    map[string]string  // what must have been heard, as heard.all has it
	good    string             // the revision that counts
	metrics map[string]float64 // when it was reached
}

const sourceContext = "redis/prod" // and of the cluster that with its name

// begin starts a daemon that tells a git server's API of commits.
func (s *story) begin(api string) {
	s.b.t.Helper()
	h, flags := s.b.hears(canary, api)
	s.heard, s.forge, s.want = h, forges[api], map[string]string{}
	s.d = s.b.follow(s.source, slices.Concat(s.flags, flags)...)
	s.metrics = s.d.metrics()
}

// comes waits until a revision is reached, and demands that everything tells so:
// that those kinds of steps were taken for it, no others, and that so many slots
// moved.
func (s *story) comes(revision string, masters, slots int, kinds ...string) {
	s.b.t.Helper()
	s.good = revision
	s.d.reaches(revision, masters)
	s.tells("success", "pending success")
	s.settled()
	slices.Sort(kinds)
	if logged := s.logged(revision); !slices.Equal(logged, kinds) {
		s.b.t.Errorf("the log has the steps %v of %s, want %v", logged, revision, kinds)
	}
	done, moved := s.counted()
	if !slices.Equal(done, kinds) || moved != slots {
		s.b.t.Errorf("metrics count the steps %v and %d slots of %s, want %v and %d", done, moved, revision, kinds, slots)
	}
}

// settled waits until status and metrics tell that the good revision is all there
// is: the same at one look.
func (s *story) settled() {
	s.b.t.Helper()
	s.d.until("status and metrics tell that all is well", time.Minute, func() bool {
		now, m := s.d.tells(), s.d.metrics()
		if len(now.Clusters) != 1 {
			return false
		}
		c := now.Clusters[0]
		return now.Source.Revision == s.good && now.Source.GoodRevision == s.good && now.Source.Error == "" && len(now.Source.Mistakes) == 0 &&
			len(now.Orphans) == 0 && now.Standby == "" && c.Revision == s.good && c.Health == "Healthy" &&
			c.Plan.State == "InSync" && len(c.Plan.Steps)+len(c.Plan.Holds)+len(c.Running) == 0 &&
			m[`slotwright_source_info{good="`+s.good+`",seen="`+s.good+`"}`] == 1 && m["slotwright_source_mistakes"] == 0 &&
			m[`slotwright_cluster_info{cluster="orders",revision="`+s.good+`"}`] == 1 &&
			m[`slotwright_cluster_state{cluster="orders",state="InSync"}`] == 1 && m[`slotwright_cluster_health{cluster="orders",health="Healthy"}`] == 1 &&
			m[`slotwright_cluster_slots_served{cluster="orders"}`] == 16384 && m[`slotwright_cluster_steps_pending{cluster="orders"}`] == 0
	})
}

// logged are the kinds of steps that the log says were begun and done for a
// revision.
func (s *story) logged(revision string) []string {
	s.b.t.Helper()
	begun, done := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(s.d.words()) {
		_, step, _ := strings.Cut(line, ` cluster=orders revision=`+revision+` step="`)
		kind, _, found := strings.Cut(step, " ")
		if found && strings.Contains(line, ` msg="step begins" `) {
			begun[kind] = true
		}
		if found && strings.Contains(line, ` msg="step done" `) {
			done[kind] = true
		}
	}
	for kind := range begun {
		if !done[kind] && revision == s.good {
			s.b.t.Errorf("the log has no end of %s for %s", kind, revision)
		}
	}
	return slices.Sorted(maps.Keys(begun))
}

// counted are the kinds of steps, and how many slots moved, that metrics have
// counted since the last call.
func (s *story) counted() (done []string, moved int) {
	s.b.t.Helper()
	before, now := s.metrics, s.d.metrics()
	s.metrics = now
	for name, value := range now {
		kind, ok := strings.CutPrefix(name, `slotwright_steps_total{cluster="orders",kind="`)
		if kind, end, _ := strings.Cut(kind, `"`); ok && value > before[name] && strings.Contains(end, `"done"`) {
			done = append(done, kind)
		}
	}
	slices.Sort(done)
	slots, keys := `slotwright_moved_slots_total{cluster="orders"}`, `slotwright_moved_keys_total{cluster="orders"}`
	moved = int(now[slots] - before[slots])
	if (moved > 0) != (now[keys] > before[keys]) {
		s.b.t.Errorf("metrics count %d slots with %v keys", moved, now[keys]-before[keys])
	}
	return done, moved
}

// tells waits until the API was told what became of the good commit, by the source and
// by the cluster, after all that it was told before.
func (s *story) tells(source, cluster string) {
	s.b.t.Helper()
	s.want[s.good+" "+sourceContext], s.want[s.good+" "+sourceContext+"/orders"] = source, cluster
	s.hears("the good commit")
}

// hears waits until the API was told all it must have been told.
func (s *story) hears(what string) {
	s.b.t.Helper()
	if !livetest.Eventually(time.Minute, func() bool { return maps.Equal(s.heard.all(), s.want) }) {
		s.heardOnly()
		s.b.t.Fatalf("the statuses are wrong after: %s", what)
	}
}

// heardOnly demands that the API was told nothing else, and nothing twice.
func (s *story) heardOnly() {
	s.b.t.Helper()
	all := s.heard.all()
	for commit, states := range all {
		if s.want[commit] != states {
			s.b.t.Errorf("the API was told %q of %s, want %q", states, commit, s.want[commit])
		}
	}
	for commit, states := range s.want {
		if all[commit] == "" {
			s.b.t.Errorf("the API was told nothing of %s, want %q", commit, states)
		}
	}
}

// logs demands a line of the log with all the words.
func (s *story) logs(word string, words ...string) {
	s.b.t.Helper()
	for line := range strings.Lines(s.d.words()) {
		if strings.Contains(line, word) && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			return
		}
	}
	s.b.t.Errorf("no line of the log has %q and %q", word, words)
}
