package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var directive = regexp.MustCompile(`^[a-z][a-z0-9._-]*$`)

// owned are the directives people may not set, and who sets them instead.
// Those ending in * stand for all that begin so.
var owned = map[string]string{
	"requirepass": byAuth, "masterauth": byAuth, "primaryauth": byAuth, "masteruser": byAuth, "primaryuser": byAuth,
	"user": byAuth, "aclfile": byAuth,

	"tls-port": byTLS, "tls-cluster": byTLS, "tls-replication": byTLS, "tls-cert-file": byTLS, "tls-key-file": byTLS,
	"tls-key-file-pass": byTLS, "tls-ca-cert-file": byTLS, "tls-ca-cert-dir": byTLS, "tls-client-*": byTLS,

	"port": byPlatform, "bind": byPlatform, "bind-source-addr": byPlatform, "unixsocket": byPlatform, "unixsocketperm": byPlatform,
	"dir": byPlatform, "dbfilename": byPlatform, "appendfilename": byPlatform, "appenddirname": byPlatform,
	"daemonize": byPlatform, "supervised": byPlatform, "pidfile": byPlatform, "logfile": byPlatform,
	"cluster-enabled": byPlatform, "cluster-config-file": byPlatform, "cluster-port": byPlatform, "cluster-announce-*": byPlatform,
	"replica-announce-*": byPlatform, "slave-announce-*": byPlatform, "replicaof": byPlatform, "slaveof": byPlatform,

	"include": notHere, "loadmodule": notHere, "rename-command": notHere,
}

const (
	byAuth     = "use spec.auth"
	byTLS      = "use spec.tls"
	byPlatform = "slotwright and its platform set it"
	notHere    = "it would change what commands mean, or what is read besides this file"
)

func (p *page) config(in map[string]scalar) map[string]string {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]string, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		path := "spec.config." + name
		if who := ownerOf(strings.ToLower(name)); who != "" {
			p.say(path, fmt.Sprintf("spec.config can't set %s", name), who)
		} else if !directive.MatchString(name) {
			p.say(path, fmt.Sprintf("spec.config: %s is not the name of a directive", quote(path, name)), "lower-case letters, digits and -")
		}
		out[name] = string(in[name])
	}
	return out
}

func ownerOf(name string) string {
	if who, ok := owned[name]; ok {
		return who
	}
	for pattern, who := range owned {
		if start, many := strings.CutSuffix(pattern, "*"); many && strings.HasPrefix(name, start) {
			return who
		}
	}
	return ""
}
