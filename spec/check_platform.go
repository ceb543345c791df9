package spec

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultBasePort = 7000
	maxPort         = 65535
	// busOffset is how far above a node's port its cluster bus listens
	// (Redis Cluster specification, "Cluster bus").
	busOffset = 10000
)

var (
	// A name of a server may be a host name with its domain.
	serverName = regexp.MustCompile(`^` + labelText + `(\.` + labelText + `)*$`)
	hostName   = regexp.MustCompile(`^[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?)*$`)
	allDigits  = regexp.MustCompile(`^[0-9]+$`)
)

func (p *page) platform(s *body) Platform {
	const path = "spec.platform"
	var out Platform
	p.need(path, "one of static, local, kubernetes")
	if n := p.count(path, "static", "local", "kubernetes"); p.written(path) && !p.void[path] && n != 1 {
		p.say(path, fmt.Sprintf("%s names %d platforms, but must name one", path, n), "one of static, local, kubernetes")
	}
	if s.Platform.Static != nil {
		out.Static = p.static(s)
	}
	if s.Platform.Local != nil {
		out.Local = p.local(s)
	}
	if s.Platform.Kubernetes != nil {
		out.Kubernetes = p.kubernetes(s)
	}
	return out
}

func (p *page) static(s *body) *Static {
	const path = "spec.platform.static.nodes"
	nodes := s.Platform.Static.Nodes
	p.need(path, "- {name: n0, address: \"10.0.0.1:6379\", zone: a}")
	if len(nodes) > maxNodes {
		p.say(path, fmt.Sprintf("more than %d nodes", maxNodes), "")
		return nil
	}
	out := &Static{}
	names, addresses := map[string]int{}, map[string]int{}
	for i, n := range nodes {
		at := fmt.Sprintf("%s[%d]", path, i)
		if p.void[at] {
			continue
		}
		p.need(at+".name", "")
		p.need(at+".address", "")
		if n.Name != "" {
			p.serverName(at+".name", n.Name)
			p.once(names, at+".name", n.Name)
		}
		if n.Address != "" {
			n.Address = p.address(at+".address", n.Address)
			p.once(addresses, at+".address", n.Address)
		}
		out.Nodes = append(out.Nodes, StaticNode(n))
	}
	p.nodeZones(path, nodes, s.Zones)
	return out
}

func (p *page) serverName(path, name string) {
	if len(name) > 253 || !serverName.MatchString(name) {
		p.say(path, fmt.Sprintf("%s: %s is not a name", path, quote(path, name)),
			"lower-case letters, digits, - and ., beginning and ending with a letter or digit")
	}
}

// once complains about the second user of a name.
func (p *page) once(seen map[string]int, path, name string) {
	if line, taken := seen[name]; taken {
		p.say(path, fmt.Sprintf("%s: %s is taken by the node on line %d", path, quote(path, name), line), "")
		return
	}
	seen[name] = p.line(path)
}

// nodeZones holds the rule that all nodes name a zone or none does: a node
// without one could stand anywhere, also where its shard stands already.
func (p *page) nodeZones(path string, nodes []staticNode, zones []string) {
	named := slices.ContainsFunc(nodes, func(n staticNode) bool { return n.Zone != "" })
	for i, n := range nodes {
		item := fmt.Sprintf("%s[%d]", path, i)
		at := item + ".zone"
		switch {
		case n.Zone == "" && (p.written(at) || p.void[item]): // complained about already
		case n.Zone == "" && (named || len(zones) > 0):
			p.say(at, at+" is missing", "all nodes name one, or none does and there is no spec.zones")
		case len(zones) > 0 && n.Zone != "" && !slices.Contains(zones, n.Zone):
			hint := "spec.zones are " + strings.Join(zones[:min(len(zones), 10)], ", ")
			p.say(at, fmt.Sprintf("%s: %s is not one of spec.zones", at, quote(at, n.Zone)), hint)
		default:
			p.label(at, n.Zone)
		}
	}
}

// address checks host:port and gives it its one form: lower case, IPv6 in its
// shortest form, so that two spellings of one server are seen to be one.
func (p *page) address(path, text string) string {
	host, port, ok := splitAddress(text)
	if !ok {
		p.say(path, fmt.Sprintf("%s: %s is not host:port", path, quote(path, text)), `such as "10.0.0.1:6379", "[2001:db8::1]:6379" or "redis-1.example:6379"`)
		return text
	}
	return host + ":" + port
}

func splitAddress(text string) (host, port string, ok bool) {
	cut := strings.LastIndexByte(text, ':')
	if cut < 0 {
		return "", "", false
	}
	host, port = text[:cut], text[cut+1:]
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > maxPort || port != strconv.Itoa(n) {
		return "", "", false
	}
	if inner, v6 := strings.CutPrefix(host, "["); v6 {
		ip, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		good := err == nil && ip.Is6() && ip.Zone() == "" && !ip.IsUnspecified() && strings.HasSuffix(inner, "]")
		return "[" + ip.String() + "]", port, good
	}
	if last := host[strings.LastIndexByte(host, '.')+1:]; allDigits.MatchString(last) {
		ip, err := netip.ParseAddr(host)
		return ip.String(), port, err == nil && !ip.IsUnspecified()
	}
	return strings.ToLower(host), port, len(host) <= 253 && hostName.MatchString(host)
}

func (p *page) local(s *body) *Local {
	const path = "spec.platform.local.basePort"
	in := s.Platform.Local
	out := &Local{Directory: in.Directory, BasePort: defaultBasePort, Server: in.Server}
	if in.BasePort != nil {
		out.BasePort = *in.BasePort
	}
	if seats := s.seats(); seats > 0 && seats <= maxNodes {
		last := maxPort - busOffset - seats + 1
		if out.BasePort < 1 || out.BasePort > last {
			p.say(path, fmt.Sprintf("%s is %d, but must be from 1 to %d", path, out.BasePort, last),
				fmt.Sprintf("%d nodes take as many ports, and their cluster bus listens %d above", seats, busOffset))
		}
	}
	return out
}
