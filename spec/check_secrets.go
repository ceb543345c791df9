package spec

import (
	"fmt"
	"regexp"
)

var (
	envName       = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,254}$`)
	secretKeyName = regexp.MustCompile(`^[-._A-Za-z0-9]{1,253}$`) // as Kubernetes has it
)

// defaultUser is who a password without a user name is for (Redis ACL).
const defaultUser = "default"

const whereSecrets = "exactly one of env, file, secret"

func (p *page) auth(s *body) *Auth {
	const path = "spec.auth"
	if s.Auth == nil {
		return nil
	}
	out := &Auth{Username: defaultUser}
	if s.Auth.Username != "" {
		out.Username = s.Auth.Username
	}
	p.need(path+".password", instead[path+".password"])
	if s.Auth.Password != nil {
		out.Password = p.secret(s)
	}
	return out
}

func (p *page) secret(s *body) Secret {
	const path = "spec.auth.password"
	in := s.Auth.Password
	if n := p.count(path, "env", "file", "secret"); n != 1 {
		p.say(path, fmt.Sprintf("%s says %d places, but must say one", path, n), whereSecrets)
	}
	if in.Env != "" && !envName.MatchString(in.Env) {
		p.say(path+".env", path+".env is not the name of an environment variable", instead[path])
	}
	out := Secret{Env: in.Env, File: in.File}
	if in.Secret == nil {
		return out
	}
	p.onKubernetes(s, path+".secret")
	p.need(path+".secret.name", "")
	p.need(path+".secret.key", "")
	if name := in.Secret.Name; name != "" {
		p.serverName(path+".secret.name", name)
	}
	if key := in.Secret.Key; key != "" && !secretKeyName.MatchString(key) {
		p.say(path+".secret.key", path+".secret.key is not a key of a Secret", "letters, digits, -, _ and .")
	}
	out.SecretName, out.SecretKey = in.Secret.Name, in.Secret.Key
	return out
}

func (p *page) tls(s *body) *TLS {
	const path = "spec.tls"
	in := s.TLS
	if in == nil {
		return nil
	}
	files := p.count(path, "caFile", "certFile", "keyFile")
	switch {
	case p.written(path+".secret") && files > 0:
		p.say(path, path+" says files and a secret, but must say one of them", "")
	case p.written(path + ".secret"):
		p.onKubernetes(s, path+".secret")
		if in.Secret != "" {
			p.serverName(path+".secret", in.Secret)
		}
	default:
		p.need(path+".caFile", "the certificate of who signed the servers'")
		p.certificate(s, path)
	}
	return &TLS{CAFile: in.CAFile, CertFile: in.CertFile, KeyFile: in.KeyFile, Secret: in.Secret}
}

// certificate holds that a certificate and its key come together, and that
// servers started here have one.
func (p *page) certificate(s *body, path string) {
	switch n := p.count(path, "certFile", "keyFile"); {
	case n == 1:
		p.say(path, path+" has one of certFile and keyFile, but they go together", "")
	case n == 0 && s.Platform.Local != nil:
		p.say(path, path+" has no certFile and keyFile, which the servers started here need", "")
	}
}

// count is how many of the keys are written below a path.
func (p *page) count(path string, keys ...string) int {
	n := 0
	for _, key := range keys {
		if p.written(path + "." + key) {
			n++
		}
	}
	return n
}

func (p *page) onKubernetes(s *body, path string) {
	if s.Platform.Kubernetes == nil {
		p.say(path, path+" needs platform kubernetes", "elsewhere a Kubernetes Secret can't be read; name a file")
	}
}
