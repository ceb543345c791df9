package main

import (
	"net"
	"os"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/slotwright/slotwright/spec"
)

// access is how to reach a cluster that has no topology file.
type access struct {
	username, passwordEnv, passwordFile string
	caFile, certFile, keyFile           string
}

func (a *access) flags(f *pflag.FlagSet) {
	f.StringVar(&a.username, "username", "default", "with ADDRESS: user to log in as")
	f.StringVar(&a.passwordEnv, "password-env", "", "with ADDRESS: environment `VARIABLE` that holds the password")
	f.StringVar(&a.passwordFile, "password-file", "", "with ADDRESS: `FILE` that holds the password")
	f.StringVar(&a.caFile, "tls-ca-file", "", "with ADDRESS: use TLS and trust this CA `FILE`")
	f.StringVar(&a.certFile, "tls-cert-file", "", "with ADDRESS: client certificate `FILE`")
	f.StringVar(&a.keyFile, "tls-key-file", "", "with ADDRESS: key `FILE` of the client certificate")
}

// topology is a made-up one that names just this address. The rest of its
// cluster is found from there.
func (a *access) topology(address string) spec.Topology {
	t := spec.Topology{
		Name: address, Masters: 1, ZoneSpread: spec.Off, State: spec.Present,
		Platform: spec.Platform{Static: &spec.Static{
			Nodes: []spec.StaticNode{{Name: address, Address: address}},
		}},
	}
	if a.passwordEnv != "" || a.passwordFile != "" {
		t.Auth = &spec.Auth{Username: a.username, Password: spec.Secret{Env: a.passwordEnv, File: a.passwordFile}}
	}
	if a.caFile != "" || a.certFile != "" {
		t.TLS = &spec.TLS{CAFile: a.caFile, CertFile: a.certFile, KeyFile: a.keyFile}
	}
	return t
}

// isAddress reports whether an argument is host:port and no file of that name.
func isAddress(arg string) bool {
	if _, err := os.Stat(arg); err == nil {
		return false
	}
	host, port, err := net.SplitHostPort(arg)
	n, bad := strconv.ParseUint(port, 10, 16)
	return err == nil && host != "" && bad == nil && n > 0
}
