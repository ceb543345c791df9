package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slotwright/slotwright/spec"
)

// access is how to reach a cluster that has no topology file.
type access struct {
	username, passwordEnv, passwordFile string
	caFile, certFile, keyFile           string
}

func (a *access) flags(f *pflag.FlagSet) {
	f.StringVar(&a.username, "username", "default", "with ADDRESS: `USER` to log in as")
	f.StringVar(&a.passwordEnv, "password-env", "", "with ADDRESS: environment `VARIABLE` that holds the password")
	f.StringVar(&a.passwordFile, "password-file", "", "with ADDRESS: `FILE` that holds the password")
	f.StringVar(&a.caFile, "tls-ca-file", "", "with ADDRESS: use TLS and trust this CA `FILE`")
	f.StringVar(&a.certFile, "tls-cert-file", "", "with ADDRESS: client certificate `FILE`")
	f.StringVar(&a.keyFile, "tls-key-file", "", "with ADDRESS: key `FILE` of the client certificate")
}

// exclude makes two places for one password bad usage.
func (a *access) exclude(c *cobra.Command) {
	c.MarkFlagsMutuallyExclusive("password-env", "password-file")
	c.MarkFlagsRequiredTogether("tls-cert-file", "tls-key-file")
}

// topology is a made-up one that names just this address. The rest of its
// cluster is found from there. Paths are absolute, for it has no file.
func (a *access) topology(address string) (spec.Topology, error) {
	t, err := plain()
	if err != nil {
		return spec.Topology{}, err
	}
	for _, path := range []*string{&a.passwordFile, &a.caFile, &a.certFile, &a.keyFile} {
		if *path != "" {
			if *path, err = filepath.Abs(*path); err != nil {
				return spec.Topology{}, err
			}
		}
	}
	t.Name = address
	t.Platform.Static.Nodes = []spec.StaticNode{{Name: address, Address: address}}
	if a.passwordEnv != "" || a.passwordFile != "" {
		t.Auth = &spec.Auth{Username: a.username, Password: spec.Secret{Env: a.passwordEnv, File: a.passwordFile}}
	}
	if a.caFile != "" {
		t.TLS = &spec.TLS{CAFile: a.caFile, CertFile: a.certFile, KeyFile: a.keyFile}
	}
	return t, nil
}

// plain is the smallest topology there is, with every default filled in.
func plain() (spec.Topology, error) {
	all, err := spec.Load([]spec.Source{{Name: "plain", Data: []byte(`
apiVersion: slotwright/v1alpha1
kind: RedisCluster
metadata: {name: plain}
spec:
  masters: 1
  replicasPerMaster: 0
  platform: {static: {nodes: [{name: n0, address: "localhost:6379"}]}}
`)}})
	if err != nil {
		return spec.Topology{}, fmt.Errorf("the smallest topology: %w", err)
	}
	all[0].File, all[0].Line = "", 0
	return all[0], nil
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
