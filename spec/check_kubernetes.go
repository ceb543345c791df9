package spec

import (
	"fmt"
	"regexp"
)

// What becomes of volumes, as StatefulSets name it
// (persistentVolumeClaimRetentionPolicy).
const (
	Retain = "Retain"
	Delete = "Delete"
)

// maxSetName is how long a StatefulSet's name may be: the label
// controller-revision-hash of its pods adds 11 characters and may have 63.
const maxSetName = 52

var (
	quantity  = regexp.MustCompile(`^[1-9][0-9]{0,9}(\.[0-9]{1,3})?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$`)
	imageName = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9._:/@+]{0,511}$`)
	// portName is an IANA service name, as container ports have it.
	portName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$`)
)

func (p *page) kubernetes(s *body) *Kubernetes {
	const path = "spec.platform.kubernetes"
	in := s.Platform.Kubernetes
	p.need(path+".namespace", "")
	p.label(path+".namespace", in.Namespace)
	out := &Kubernetes{
		Namespace: in.Namespace, Image: in.Image, Resources: in.Resources, PodTemplate: in.PodTemplate,
		NetworkPolicy: in.NetworkPolicy,
	}
	if in.Adopt != nil {
		out.Adopt = p.adopt(s)
		return out
	}
	p.image(s, path)
	// A node's zone is known before it exists only where the file names the zones.
	p.need("spec.zones", "pods are pinned to zones; they are the values of the label topology.kubernetes.io/zone")
	p.ownSecrets(s)
	if in.Storage != nil {
		out.Storage = p.storage(in.Storage)
	}
	if in.ServiceMonitor != nil {
		out.ServiceMonitor = p.serviceMonitor(in.ServiceMonitor)
	}
	return out
}

func (p *page) image(s *body, path string) {
	switch image := s.Platform.Kubernetes.Image; {
	case image != "" && !imageName.MatchString(image):
		p.say(path+".image", fmt.Sprintf("%s.image: %s is not the name of an image", path, quote(path, image)), "such as redis:7.2")
	case !p.written(path+".image") && (s.Engine == nil || s.Engine.Version == ""):
		p.say(path, path+" says neither its image nor which engine and version to take one for", "write image: redis:7.2, or spec.engine")
	}
}

// setNames holds that the Services and the StatefulSet of every zone can be called
// what they are called. A Service's name is a label of RFC 1035 ("Object Names and
// IDs" of Kubernetes), until servers since 1.34 began to let more pass.
func (p *page) setNames(t *Topology) {
	if t.Name != "" && t.Name[0] >= '0' && t.Name[0] <= '9' {
		p.say("metadata.name", fmt.Sprintf("the Service %s can't be called so: a Service's name begins with a letter", t.Name), "another metadata.name")
	}
	longest := ""
	for _, z := range t.Zones {
		if len(z) > len(longest) {
			longest = z
		}
	}
	if n := len(t.Name) + 1 + len(longest); n > maxSetName && longest != "" && len(longest) <= 63 {
		p.say("metadata.name", fmt.Sprintf("the StatefulSet %s-%s would have a name of %d characters, but at most %d can be", t.Name, longest, n, maxSetName),
			"a shorter metadata.name")
	}
}

// ownSecrets holds that pods read what is secret from Secrets: a file or a
// variable of slotwright's machine is none of theirs.
func (p *page) ownSecrets(s *body) {
	if s.Auth != nil && s.Auth.Password != nil && s.Auth.Password.Secret == nil && p.count("spec.auth.password", "env", "file") > 0 {
		p.say("spec.auth.password", "spec.auth.password: pods can read it only from a Secret", "write {secret: {name: S, key: K}}")
	}
	if s.TLS != nil && s.TLS.Secret == "" && p.count("spec.tls", "caFile", "certFile", "keyFile") > 0 {
		p.say("spec.tls", "spec.tls: pods can read certificates only from a Secret", "write {secret: S}")
	}
}

func (p *page) storage(s *storage) Storage {
	const path = "spec.platform.kubernetes.storage"
	p.need(path+".size", "such as 20Gi")
	if s.Size != "" && !quantity.MatchString(s.Size) {
		p.say(path+".size", fmt.Sprintf("%s.size: %s is not a size", path, quote(path, s.Size)), "such as 20Gi")
	}
	if s.StorageClassName != "" {
		p.serverName(path+".storageClassName", s.StorageClassName)
	}
	return Storage{
		Size: s.Size, StorageClassName: s.StorageClassName,
		WhenScaled: p.retention(path+".whenScaled", s.WhenScaled), WhenDeleted: p.retention(path+".whenDeleted", s.WhenDeleted),
	}
}

func (p *page) retention(path, word string) string {
	if word == "" {
		return Retain
	}
	p.oneOf(path, word, Retain, Delete)
	return word
}

func (p *page) serviceMonitor(m *serviceMonitor) *ServiceMonitor {
	const path = "spec.platform.kubernetes.serviceMonitor"
	p.need(path+".port", "the name of a container port that the podTemplate adds, such as metrics")
	if m.Port != "" && !portName.MatchString(m.Port) {
		p.say(path+".port", fmt.Sprintf("%s.port: %s is not the name of a port", path, quote(path, m.Port)), "such as metrics")
	}
	return &ServiceMonitor{Port: m.Port, Labels: m.Labels}
}

// adopt takes over a StatefulSet that somebody else made: everything that would
// go into its template is theirs.
func (p *page) adopt(s *body) *Adopt {
	const path = "spec.platform.kubernetes"
	p.need(path+".adopt.statefulSet", "")
	if name := s.Platform.Kubernetes.Adopt.StatefulSet; name != "" {
		p.serverName(path+".adopt.statefulSet", name)
	}
	for _, key := range []string{"image", "storage", "resources", "podTemplate", "networkPolicy", "serviceMonitor"} {
		if at := path + "." + key; p.written(at) {
			p.say(at, at+" can't be set for an adopted StatefulSet", "its template is left as it is; change it where it comes from")
		}
	}
	return &Adopt{StatefulSet: s.Platform.Kubernetes.Adopt.StatefulSet}
}
