package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Limits of what a topology may ask for.
const (
	// maxNodes is up to where the Redis Cluster specification promises that a
	// cluster scales; gossip grows with the square of it.
	maxNodes = 1000

	defaultMaxLatency = 20 * time.Millisecond
)

const (
	labelRule = "a DNS label: lower-case letters, digits and -, at most 63, beginning and ending with a letter or digit"
	labelText = `[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?`
)

var (
	label         = regexp.MustCompile(`^` + labelText + `$`)
	engineVersion = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,3}){0,2}$`)
)

// topology checks what the strict reader let through and gives it its final
// form. With mistakes the form is worth nothing.
func (p *page) topology(d *document) Topology {
	s := &d.Spec
	t := Topology{
		Name:      d.Metadata.Name,
		Auth:      p.auth(s),
		TLS:       p.tls(s),
		Config:    p.config(s.Config),
		Migration: p.migration(s.Migration),
		Allow:     p.allow(s.Allow),
		Failback:  s.Failback == nil || *s.Failback,
		Suspend:   s.Suspend,
		State:     Present,
		File:      p.file,
		Line:      p.lines[""],
	}
	p.need("metadata.name", "")
	p.label("metadata.name", t.Name)
	p.size(s, &t)
	p.zones(s, &t)
	if s.Engine != nil {
		t.Engine = p.engine(s.Engine)
	}
	t.Platform = p.platform(s)
	if k := t.Platform.Kubernetes; k != nil && k.Adopt == nil {
		p.setNames(&t)
	}
	p.zoneSpread(s, &t)
	t.Slots = p.slots(s)
	if s.State != "" && p.oneOf("spec.state", s.State, string(Present), string(Absent)) {
		t.State = State(s.State)
	}
	return t
}

// label complains about a name that isn't one. An empty one is somebody else's complaint.
func (p *page) label(path, name string) {
	if name != "" && !label.MatchString(name) {
		p.say(path, fmt.Sprintf("%s: %s is not a name", path, quote(path, name)), labelRule)
	}
}

// oneOf complains about a word that isn't one of the words.
func (p *page) oneOf(path, word string, words ...string) bool {
	if slices.Contains(words, word) {
		return true
	}
	hint := "one of " + strings.Join(words, ", ")
	if near := nearest(word, words); near != "" {
		hint = "did you mean " + near + "?"
	}
	p.say(path, fmt.Sprintf("%s can't be %s", path, quote(path, word)), hint)
	return false
}

// between complains about a number outside of its range.
func (p *page) between(path string, n, least, most int) bool {
	if n < least || n > most {
		p.say(path, fmt.Sprintf("%s is %d, but must be from %d to %d", path, n, least, most), "")
		return false
	}
	return true
}

// size is masters and replicas: both written, because a default for either
// would be a guess about how much is to be removed.
func (p *page) size(s *body, t *Topology) {
	const masters, replicas = "spec.masters", "spec.replicasPerMaster"
	p.need(masters, "")
	p.need(replicas, "write 0 for no replicas")
	ok := s.Masters != nil && p.between(masters, *s.Masters, 1, maxNodes)
	if s.ReplicasPerMaster == nil || !p.between(replicas, *s.ReplicasPerMaster, 0, maxNodes-1) || !ok {
		return
	}
	t.Masters, t.ReplicasPerMaster = *s.Masters, *s.ReplicasPerMaster
	if n := s.seats(); n > maxNodes {
		p.say(masters, fmt.Sprintf("masters and replicas are %d nodes together, but at most %d can be", n, maxNodes), "")
	}
}

// seats is how many nodes the counts ask for; 0 while they aren't both right.
func (s *body) seats() int {
	if s.Masters == nil || s.ReplicasPerMaster == nil {
		return 0
	}
	return *s.Masters * (1 + *s.ReplicasPerMaster)
}

func (p *page) zones(s *body, t *Topology) {
	const path = "spec.zones"
	t.Zones = s.Zones
	if len(s.Zones) > maxNodes {
		p.say(path, fmt.Sprintf("more than %d zones", maxNodes), "")
		return
	}
	for i, z := range s.Zones {
		at := fmt.Sprintf("%s[%d]", path, i)
		if p.void[at] {
			continue
		}
		p.label(at, z)
		if slices.Contains(s.Zones[:i], z) {
			p.say(at, fmt.Sprintf("zone %s is written twice", quote(at, z)), "")
		}
	}
}

func (p *page) zoneSpread(s *body, t *Topology) {
	t.ZoneSpread = defaultSpread(*t)
	if s.ZoneSpread != "" && p.oneOf("spec.zoneSpread", s.ZoneSpread, string(Required), string(Preferred), string(Off)) {
		t.ZoneSpread = Spread(s.ZoneSpread)
	}
}

// defaultSpread is the strict rule, but one host without zones can't be spread
// over anything.
func defaultSpread(t Topology) Spread {
	if t.Platform.Local != nil && len(t.Zones) == 0 {
		return Off
	}
	return Required
}

func (p *page) engine(e *engine) Engine {
	const path = "spec.engine"
	p.need(path+".name", "redis or valkey")
	if e.Name != "" {
		p.oneOf(path+".name", e.Name, "redis", "valkey")
	}
	if e.Version != "" && !engineVersion.MatchString(e.Version) {
		p.say(path+".version", fmt.Sprintf("%s.version: %s is not a version", path, quote(path, e.Version)), `such as "7.2" or "7.2.4", in quotes`)
	}
	return Engine{Name: e.Name, Version: e.Version}
}

func (p *page) migration(m *migration) Migration {
	const path = "spec.migration.maxLatency"
	out := Migration{MaxLatency: defaultMaxLatency}
	if m == nil || m.MaxLatency == "" {
		return out
	}
	d, err := time.ParseDuration(m.MaxLatency)
	if err != nil || d <= 0 {
		p.say(path, fmt.Sprintf("%s: %s is not a time above zero", path, quote(path, m.MaxLatency)), "such as 20ms")
	}
	out.MaxLatency = d
	return out
}
