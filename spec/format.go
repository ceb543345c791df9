package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Format writes a topology as a file, defaults left out. What Load makes of it
// is t again (File and Line aside); a topology that has no such file is an error
// with the mistakes it would have.
func Format(t Topology) ([]byte, error) {
	want, err := json.Marshal(fileOf(t))
	if err != nil {
		return nil, fmt.Errorf("format %s: %w", t.Name, err)
	}
	text, err := yamlOf(want)
	if err != nil {
		return nil, fmt.Errorf("format %s: %w", t.Name, err)
	}
	back, err := Load([]Source{{Name: t.Name, Data: text}})
	if err != nil {
		return nil, fmt.Errorf("format %s: %w", t.Name, err)
	}
	if got, err := json.Marshal(fileOf(back[0])); err != nil || !bytes.Equal(got, want) {
		return nil, fmt.Errorf("format %s: would be read back as another topology", t.Name)
	}
	return text, nil
}

// yamlOf turns JSON, which is YAML and keeps our order of keys, into what a
// person would write.
func yamlOf(data []byte) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, err
	}
	restyle(root.Content[0], "")
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&root); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// plainWord is text that needs no quotes anywhere in YAML.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9./_][-A-Za-z0-9./_]*%?$`)

// restyle takes off the quotes that aren't needed, and puts small things on one line.
func restyle(n *yaml.Node, key string) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.ShortTag() == "!!str" && takenFor(n.Value) == "" && plainWord.MatchString(n.Value) {
			n.Style = 0
		}
	case yaml.SequenceNode:
		n.Style = flow(leaf(n))
		for _, item := range n.Content {
			restyle(item, key)
			item.Style |= flow(leaf(item) && item.Kind == yaml.MappingNode)
		}
	case yaml.MappingNode:
		n.Style = flow(leaf(n) && len(n.Content) <= 6 && key != "metadata" && key != "config")
		for i := 0; i+1 < len(n.Content); i += 2 {
			restyle(n.Content[i], "")
			restyle(n.Content[i+1], n.Content[i].Value)
		}
	}
}

func flow(yes bool) yaml.Style {
	if yes {
		return yaml.FlowStyle
	}
	return 0
}

// leaf reports whether all children are single values.
func leaf(n *yaml.Node) bool {
	for _, c := range n.Content {
		if c.Kind != yaml.ScalarNode {
			return false
		}
	}
	return true
}

// fileOf is the file format of a topology. What is empty is left out, as are defaults.
func fileOf(t Topology) document {
	s := body{
		Masters:           &t.Masters,
		ReplicasPerMaster: &t.ReplicasPerMaster,
		Zones:             t.Zones,
		ZoneSpread:        string(t.ZoneSpread),
		Platform:          platformFile(t.Platform),
		Auth:              authFile(t.Auth),
		TLS:               (*tlsFiles)(t.TLS),
		Suspend:           t.Suspend,
		Allow:             allowFile(t.Allow),
	}
	if t.ZoneSpread == defaultSpread(t) {
		s.ZoneSpread = ""
	}
	if t.Engine != (Engine{}) {
		s.Engine = (*engine)(&t.Engine)
	}
	s.Slots = slotsFile(t.Slots)
	for name, value := range t.Config {
		if s.Config == nil {
			s.Config = map[string]scalar{}
		}
		s.Config[name] = scalar(value)
	}
	if l := t.Migration.MaxLatency; l != 0 && l != defaultMaxLatency {
		s.Migration = &migration{MaxLatency: l.String()}
	}
	if !t.Failback {
		s.Failback = &t.Failback
	}
	if t.State != Present {
		s.State = string(t.State)
	}
	return document{APIVersion: apiVersion, Kind: kind, Metadata: metadata{Name: t.Name}, Spec: s}
}

func platformFile(p Platform) platform {
	var out platform
	if p.Static != nil {
		out.Static = &static{}
		for _, n := range p.Static.Nodes {
			if host, port, ok := splitAddress(n.Address); ok {
				n.Address = host + ":" + port
			}
			out.Static.Nodes = append(out.Static.Nodes, staticNode(n))
		}
	}
	if l := p.Local; l != nil {
		out.Local = &local{Directory: l.Directory, Server: l.Server}
		if l.BasePort != defaultBasePort {
			out.Local.BasePort = &l.BasePort
		}
	}
	if k := p.Kubernetes; k != nil {
		out.Kubernetes = kubernetesFile(k)
	}
	return out
}

func kubernetesFile(k *Kubernetes) *kubernetes {
	out := &kubernetes{
		Namespace: k.Namespace, Image: k.Image, Resources: k.Resources, PodTemplate: k.PodTemplate,
		NetworkPolicy: k.NetworkPolicy, ServiceMonitor: (*serviceMonitor)(k.ServiceMonitor), Adopt: (*adopt)(k.Adopt),
	}
	if k.Storage != (Storage{}) {
		s := storage(k.Storage)
		for _, word := range []*string{&s.WhenScaled, &s.WhenDeleted} {
			if *word == Retain {
				*word = ""
			}
		}
		out.Storage = &s
	}
	return out
}

func slotsFile(s Slots) *slots {
	out := slots{Weights: s.Weights}
	if s.Tolerance != defaultTolerance {
		out.Tolerance = percentOf(s.Tolerance)
	}
	if out.Tolerance == "" && len(out.Weights) == 0 {
		return nil
	}
	return &out
}

// percentOf writes 0.02 as "2%", with as few digits as fractionOf needs to find
// the same number again.
func percentOf(fraction float64) string {
	text := ""
	for digits := range 21 {
		text = strconv.FormatFloat(fraction*100, 'f', digits, 64) + "%"
		if back, ok := fractionOf(text); ok && back == fraction {
			break
		}
	}
	return text
}

func authFile(a *Auth) *auth {
	if a == nil {
		return nil
	}
	out := &auth{Username: a.Username, Password: &secret{Env: a.Password.Env, File: a.Password.File}}
	if a.Username == defaultUser {
		out.Username = ""
	}
	if a.Password.SecretName != "" || a.Password.SecretKey != "" {
		out.Password.Secret = &secretKey{Name: a.Password.SecretName, Key: a.Password.SecretKey}
	}
	return out
}

func allowFile(a Allow) *allow {
	if a.ShrinkTo == nil && a.DataLoss == nil && a.Delete == "" && len(a.Forget) == 0 && a.Plan == "" {
		return nil
	}
	out := &allow{ShrinkTo: a.ShrinkTo, Delete: a.Delete, Forget: a.Forget, Plan: a.Plan}
	if a.DataLoss != nil {
		for _, r := range a.DataLoss.Ranges() {
			out.DataLoss = append(out.DataLoss, scalar(r.String()))
		}
	}
	return out
}
