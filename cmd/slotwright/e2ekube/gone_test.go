//go:build e2ekube

package e2ekube

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// advice are the commands of kubectl in what a daemon says.
var advice = regexp.MustCompile(`kubectl -n \S+ delete [-a-z0-9= ]+`)

// obeys does what the daemon says about a pod, once, when it speaks of the words.
func (b *bench) obeys(d *daemon, name, words string) {
	b.Helper()
	var commands []string
	b.eventually("the daemon says what to do about "+name, func() bool {
		for line := range strings.Lines(d.log.String()) {
			for _, c := range advice.FindAllString(line, -1) {
				if strings.Contains(c, name) && strings.Contains(c, words) {
					_, rest, _ := strings.Cut(line, c)
					commands = append([]string{c}, advice.FindAllString(rest, 1)...)
				}
			}
		}
		return len(commands) > 0
	})
	for _, c := range commands {
		if !strings.Contains(c, name) {
			continue
		}
		b.Logf("as it says: %s", c)
		if out, err := exec.Command("sh", "-c", c).CombinedOutput(); err != nil {
			b.Fatalf("%s: %v\n%s", c, err, out)
		}
	}
}

// The volumes are disks of that machine. A replica elsewhere has each master's
// data, and a person says that these copies will not come back.
func TestAMachineThatNeverComesBackIsGivenUpWithItsVolumesAsTheDaemonSays(t *testing.T) {
	b := newBench(t)
	r := b.repository()
	text := b.topology(3, 1, "{size: 1Gi}", "{size: 1Gi, storageClassName: host}", "dnsPolicy: Default",
		"dnsPolicy: Default, terminationGracePeriodSeconds: 15, tolerations: [{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 1}]")
	r.commit(text)
	d := b.follows(r)
	b.reaches(3, 1)
	client := b.writesHeld()
	first := b.masterOf(anyPod)
	var lost []pod
	for _, p := range b.pods() {
		if p.node == first.node {
			lost = append(lost, p)
		}
	}
	b.loses(first.node)
	for _, p := range lost {
		b.obeys(d, p.name, "--force")
	}
	for _, p := range lost {
		b.obeys(d, p.name, "pvc")
	}
	b.reaches(3, 1)
	t.Logf("longest time without an answer: %s", client.end())
	for _, p := range lost {
		if now := b.pods()[p.name]; now.node == p.node {
			t.Errorf("%s is still on %s", p.name, p.node)
		}
	}
	b.eventually("nothing is left to do", func() bool {
		_, err := b.command(t.Context(), "plan", b.write(text), "--detailed-exitcode").CombinedOutput()
		return err == nil
	})
}
