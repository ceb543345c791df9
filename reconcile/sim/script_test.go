package sim

import (
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"
	"testing"
)

// site is where the script runs: servers that have one-letter names.
type site interface {
	do(name string, args []string) (any, error)
	// id is the server's node ID, asked on a connection of its own: a command
	// between ASKING and what it is for would end it. "" when it is dead.
	id(name string) string
	addr(name string) (host, port string)
	kill(name string)
	start(name string)
	// wait lets a moment pass; false when the deadline is over.
	wait(since int) bool
}

var names = []string{"a", "b", "c", "d", "e"}

// play runs the script and returns one line per step, with IDs and addresses
// replaced by names.
func play(t *testing.T, s site, script string) []string {
	t.Helper()
	r := &run{t: t, site: s}
	var out []string
	for i, line := range strings.Split(script, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		f := strings.Fields(line)
		switch f[0] {
		case "rest":
			r.until(i+1, line, r.rested)
		case "kill":
			s.kill(f[1])
		case "start":
			s.start(f[1])
		case "until":
			cmd, want, _ := strings.Cut(strings.TrimPrefix(line, "until "), " ~ ")
			r.until(i+1, line, func() bool { return strings.Contains(r.ask(cmd), want) })
		default:
			out = append(out, fmt.Sprintf("line %d: %s\n%s", i+1, line, r.ask(line)))
		}
	}
	return out
}

type run struct {
	t    *testing.T
	site site
}

func (r *run) until(line int, text string, done func() bool) {
	r.t.Helper()
	for n := 0; !done(); n++ {
		if !r.site.wait(n) {
			for _, name := range names {
				r.t.Logf("%s\n%s", name, r.ask(name+" CLUSTER NODES"))
			}
			r.t.Fatalf("line %d: %s: not in time", line, text)
		}
	}
}

// rested says that every server in a cluster names the same members, roles and
// owners, and none a handshake.
func (r *run) rested() bool {
	views := map[string]string{}
	for _, name := range names {
		lines := strings.Split(r.ask(name+" CLUSTER NODES"), "\n")
		if len(lines) == 1 {
			continue // alone, or dead
		}
		for i := range lines {
			lines[i] = strings.ReplaceAll(lines[i], "myself,", "")
			lines[i], _, _ = strings.Cut(lines[i], " [")
		}
		sort.Strings(lines)
		views[strings.Join(lines, "\n")] = name
		if strings.Contains(strings.Join(lines, " "), "handshake") {
			return false
		}
	}
	return len(views) == 1
}

// ask sends one line and prints the answer so that both worlds can print the
// same.
func (r *run) ask(line string) string {
	f := strings.Fields(line)
	var args []string
	for _, a := range f[1:] {
		switch {
		case a == `""`:
			args = append(args, "")
		case a[0] == '@':
			host, port := r.site.addr(a[1:])
			args = append(args, host, port)
		case a[0] == '$':
			args = append(args, r.site.id(a[1:]))
		default:
			args = append(args, a)
		}
	}
	v, err := r.site.do(f[0], args)
	text := fmt.Sprint(v)
	if err != nil {
		text = "error: " + err.Error()
	}
	text = r.named(text)
	switch {
	case err != nil:
	case strings.Contains(line, "CLUSTER NODES"):
		text = nodesOnly(text)
	case strings.Contains(line, "CLUSTER INFO"):
		text = only(text, "cluster_state", "cluster_slots_assigned", "cluster_known_nodes", "cluster_size", "cluster_my_epoch", "cluster_stats_messages_auth-ack_sent")
	case strings.Contains(line, "INFO"):
		text = only(text, "role", "master_link_status")
	}
	return text
}

func (r *run) named(text string) string {
	for _, name := range names {
		if id := r.site.id(name); id != "" {
			text = strings.ReplaceAll(text, id, "$"+name)
		}
		host, port := r.site.addr(name)
		text = strings.ReplaceAll(text, host+":"+port, "@"+name)
	}
	return text
}

var nodeLine = regexp.MustCompile(`^(\S+) \S+ (\S+) (\S+) \S+ \S+ \S+ \S+ ?(.*)$`)

// nodesOnly keeps ID, flags, master and slots of CLUSTER NODES, sorted.
func nodesOnly(text string) string {
	var out []string
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		m := nodeLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			out = append(out, line)
			continue
		}
		if strings.HasPrefix(m[2], "handshake") {
			m[1] = "-"
		}
		out = append(out, strings.TrimSpace(strings.Join(m[1:], " ")))
	}
	sort.Strings(out)
	return strings.Join(out, "\n")
}

func only(text string, fields ...string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		name, _, _ := strings.Cut(line, ":")
		for _, f := range fields {
			if f == name {
				out = append(out, strings.TrimSpace(line))
			}
		}
	}
	return strings.Join(out, "\n")
}

// worldSite is the script's servers in the simulation.
type worldSite struct {
	w    *World
	open map[string]*Session
}

func newWorldSite() worldSite {
	w := New()
	for _, name := range names {
		w.Add(worldAddr(name), Options{})
	}
	return worldSite{w, map[string]*Session{}}
}

func worldAddr(name string) string { return fmt.Sprintf("10.0.0.%d:6379", name[0]-'a'+1) }

func (s worldSite) do(name string, args []string) (any, error) {
	c := s.open[name]
	if c == nil || c.Lost() {
		c = s.w.Open(worldAddr(name))
		s.open[name] = c
	}
	return c.Do(args...)
}

func (s worldSite) id(name string) string {
	v, err := s.w.Do(worldAddr(name), "CLUSTER", "MYID")
	if err != nil {
		return ""
	}
	return v.(string)
}

func (s worldSite) addr(name string) (string, string) {
	host, port, _ := strings.Cut(worldAddr(name), ":")
	return host, port
}
func (s worldSite) kill(name string)  { s.w.Kill(worldAddr(name)) }
func (s worldSite) start(name string) { s.w.Restart(worldAddr(name), true) }
func (s worldSite) wait(since int) bool {
	s.w.Tick()
	return since < 120
}

func script(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/script.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheScriptRunsInTheSimulation(t *testing.T) {
	first := play(t, newWorldSite(), script(t))
	second := play(t, newWorldSite(), script(t))
	for i := range first {
		if first[i] != second[i] {
			t.Fatalf("two runs differ:\n%s\n%s", first[i], second[i])
		}
	}
}
