//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// A cluster lives its life by commits to a git server: it is created, grown, gets
// another server for one of its own, is shrunk, and a shrink is taken back in
// its middle. What is pushed by mistake in between changes nothing, and a
// history that was rewritten is followed. Clients lose nothing throughout. At
// every step the cluster itself, status, log, metrics and the statuses of the
// commits tell the same.
func TestAClusterLivesByCommitsToAGitServer(t *testing.T) {
	for transport, apis := range map[string][2]string{"https": {"github", "gitlab"}, "ssh": {"gitlab", "gitea"}} {
		t.Run(transport, func(t *testing.T) {
			const keys = 100_000
			b := newBench(t, livetest.Options{Servers: 5})
			r := newRepo(b)
			text := func(nodes ...int) map[string]string {
				return map[string]string{"prod/orders.yaml": b.text(shape{masters: len(nodes), nodes: nodes})}
			}
			url, flags := r.over(b, transport)
			s := &story{b: b, r: r, source: url, flags: append(flags, "--branch", "main", "--path", "prod")}
			create := r.commit("create", text(0, 1, 2))
			s.begin(apis[0])
			s.comes(create, 3, 0, "Meet", "Assign")
			b.fleet.Write(t, keys, 64)
			traffic := b.fleet.Traffic(2, 2*time.Millisecond)

			s.comes(r.commit("grow", text(0, 1, 2, 3)), 4, 4096, "Meet", "Move")
			s.comes(r.commit("n4 for n2", text(0, 1, 4, 3)), 4, 0, "Meet", "Follow", "Promote", "Forget")
			if got := b.masters(0); !slices.Equal(got, []string{"n0", "n1", "n3", "n4"}) {
				t.Fatalf("the masters are %v", got)
			}
			s.comes(r.commit("shrink", text(0, 1, 4)), 3, 4096, "Move", "Forget")
			s.turnsBack(shrunk(b, 0, 1), 3)

			s.d.stop()
			s.begin(apis[1]) // which hears of the commit that counts
			s.tells("success", "pending success")
			s.mishaps(b.text(shape{masters: 4, nodes: []int{0, 1, 4, 3}}))
			r.git("checkout", "-q", "--orphan", "rewritten")
			s.comes(r.commit("another history", text(0, 1, 4, 3)), 4, 4096, "Meet", "Move")

			kept(t, traffic.Stop())
			b.fleet.Read(t, keys, 64)
			if got := s.d.leaks(canary); len(got) > 0 {
				t.Errorf("a secret is in %v", got)
			}
			s.d.stop()
			s.heardOnly()
		})
	}
}

// shrunk is a topology of less than three masters, with the permission it needs.
// Slots move slowly, so that they are on their way when it is taken back.
func shrunk(b *bench, nodes ...int) map[string]string {
	more := fmt.Sprintf("  allow: {shrinkTo: %d}\n  migration: {maxLatency: 2ms}\n", len(nodes))
	return map[string]string{"prod/orders.yaml": b.text(shape{masters: len(nodes), nodes: nodes, more: more})}
}

// turnsBack takes a commit back while a shard drains because of it.
func (s *story) turnsBack(files map[string]string, masters int) {
	s.b.t.Helper()
	had := s.b.members(0)["n0"].slots
	drain := s.r.commit("shrink more", files)
	s.d.moving()
	s.b.until("more slots have gone than may stay where they are", func() bool { return s.b.members(0)["n0"].slots > had+had/20 })
	c := s.d.tells().Clusters[0]
	if c.Revision != drain || c.InSync == nil || *c.InSync || c.Plan.State != "OutOfSync" || c.Plan.count("Move") == 0 || c.Plan.count("Forget") == 0 {
		s.b.t.Errorf("in the middle of %s status tells %+v", drain, c)
	}
	s.r.git("revert", "--no-edit", "HEAD")
	s.good = s.r.push()
	s.d.reaches(s.good, masters)
	s.want[drain+" "+sourceContext] = "success"
	s.want[drain+" "+sourceContext+"/orders"] = "pending " + s.forge.never
	s.tells("success", "pending success")
	s.settled()
	if there, back := s.logged(drain), s.logged(s.good); !slices.Equal(there, []string{"Move"}) || !slices.Contains(back, "Move") || slices.Contains(back, "Forget") {
		s.b.t.Errorf("the log has the steps %v, and %v back", there, back)
	}
	if done, moved := s.counted(); !slices.Contains(done, "Move") || moved == 0 {
		s.b.t.Errorf("metrics count the steps %v and %d slots there and back", done, moved)
	}
}

// mishaps pushes what must not change anything, and demands that each is told of,
// and that the revision before counts all the same.
func (s *story) mishaps(other string) {
	s.b.t.Helper()
	for what, c := range map[string]struct {
		files map[string]string
		words []string
	}{
		"a typo":           {map[string]string{"prod/orders.yaml": strings.Replace(other, "masters:", "mastres:", 1)}, []string{"prod/orders.yaml:6", "mastres"}},
		"an empty file":    {map[string]string{"prod/orders.yaml": ""}, []string{"prod/orders.yaml", "empty"}},
		"a deleted folder": {map[string]string{"orders.yaml": other}, []string{"folder prod is not in the commit"}},
	} {
		revision := ""
		s.d.stays(what, func() { revision = s.r.commit(what, c.files) }, func(now told) bool { return s.holds(now, c.words...) })
		s.refused(what, revision, c.words)
		s.hears(what)
	}
	s.d.stays("a deleted branch", func() { s.r.run(s.r.bare, "update-ref", "-d", "refs/heads/main") },
		func(now told) bool { return s.holds(now, "branch main: not on the server") })
	only, words := "", []string{"no .yaml or .yml file"}
	s.d.stays("the only file deleted", func() { only = s.r.commit("nothing", map[string]string{"prod/README.md": "nothing here"}) }, func(now told) bool {
		return len(now.Clusters) == 0 && len(now.Orphans) == 1 && strings.Contains(strings.Join(now.Source.Mistakes, "\n"), words[0])
	})
	s.refused("the only file deleted", only, words)
	s.hears("the only file deleted")
	s.r.git("push", "-q", "-f", "origin", strings.TrimPrefix(s.good, "main@sha1:")+":refs/heads/main")
	s.settled()
	s.logs("the source can be read again")
	// It was another commit's turn in between.
	s.tells("success success", "pending success")
}

// refused demands that all tell that a revision is a mistake, and why.
func (s *story) refused(what, revision string, words []string) {
	s.b.t.Helper()
	s.want[revision+" "+sourceContext] = s.forge.failure
	s.logs("revision="+revision+" ", words...)
	if m := s.d.metrics(); m["slotwright_source_mistakes"] == 0 || m[`slotwright_source_info{good="`+s.good+`",seen="`+revision+`"}`] != 1 {
		s.b.t.Errorf("%s: metrics do not tell of it", what)
	}
}

// holds says that status tells of something with all the words, and of the good
// revision that counts all the same.
func (s *story) holds(now told, words ...string) bool {
	all := now.Source.Error + "\n" + strings.Join(now.Source.Mistakes, "\n")
	for _, w := range words {
		if !strings.Contains(all, w) {
			return false
		}
	}
	return now.Source.GoodRevision == s.good && len(now.Clusters) == 1 && len(now.Orphans) == 0 && now.Clusters[0].Revision == s.good &&
		now.Clusters[0].InSync != nil && *now.Clusters[0].InSync && now.Clusters[0].Plan.State == "InSync"
}
