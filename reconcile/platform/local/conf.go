package local

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/slotwright/slotwright/reconcile/platform/redisconf"
)

// defaults suit a development cluster and may be overridden by the topology:
// data survives kill -9, a dead master is noticed within seconds, a replica
// syncs at once.
var defaults = map[string]string{
	"appendonly":               "yes",
	"save":                     "",
	"cluster-node-timeout":     "5000",
	"repl-diskless-sync-delay": "0",
}

// busOffset is the distance from a node's port to its cluster bus (Redis
// Cluster specification, "Cluster bus").
const busOffset = 10000

// conf is the text of a node's redis.conf. What slotwright itself relies on
// comes last, because of two lines for one directive the server takes the
// second. Passwords are in it: the file is readable by its owner only.
func (p *Platform) conf(m *marker) (string, error) {
	var b strings.Builder
	config := maps.Clone(defaults)
	maps.Copy(config, p.want.Config)
	for _, name := range slices.Sorted(maps.Keys(config)) {
		redisconf.Line(&b, name, config[name])
	}
	if err := p.login(&b); err != nil {
		return "", err
	}
	if err := p.listen(&b, m.Port); err != nil {
		return "", err
	}
	redisconf.Line(&b, "bind", p.host)
	redisconf.Line(&b, "cluster-enabled", "yes")
	redisconf.Line(&b, "cluster-config-file", "nodes.conf")
	redisconf.Line(&b, "dir", p.home.path(m.Node))
	redisconf.Line(&b, "pidfile", p.home.path(m.Node, pidFile))
	redisconf.Line(&b, "logfile", p.home.path(m.Node, logFile))
	redisconf.Line(&b, "daemonize", "no")
	// The server would overwrite its arguments, and running knows it by them.
	redisconf.Line(&b, "set-proc-title", "no")
	return b.String(), nil
}

func (p *Platform) login(b *strings.Builder) error {
	if p.want.Auth == nil {
		return nil
	}
	password, err := p.password()
	if err != nil {
		return err
	}
	redisconf.Line(b, "masterauth", password)
	user := p.want.Auth.Username
	if user == "" || user == "default" {
		redisconf.Line(b, "requirepass", password)
		return nil
	}
	redisconf.Line(b, "masteruser", user)
	redisconf.Line(b, "user", user, "on", fmt.Sprintf("#%x", sha256.Sum256([]byte(password))), "~*", "&*", "+@all")
	// Left on, the default user would let everybody in without a password.
	redisconf.Line(b, "user", "default", "off")
	return nil
}

func (p *Platform) listen(b *strings.Builder, port int) error {
	if p.want.TLS == nil {
		redisconf.Line(b, "port", strconv.Itoa(port))
		return nil
	}
	redisconf.Line(b, "port", "0")
	redisconf.Line(b, "tls-port", strconv.Itoa(port))
	redisconf.Line(b, "tls-cluster", "yes")
	redisconf.Line(b, "tls-replication", "yes")
	for directive, file := range map[string]string{
		"tls-ca-cert-file": p.want.TLS.CAFile,
		"tls-cert-file":    p.want.TLS.CertFile,
		"tls-key-file":     p.want.TLS.KeyFile,
	} {
		if file == "" {
			return fmt.Errorf("a server needs spec.tls.caFile, certFile and keyFile")
		}
		path, err := resolved(p.want.Path(file))
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil {
			return err
		}
		redisconf.Line(b, directive, path)
	}
	return nil
}
