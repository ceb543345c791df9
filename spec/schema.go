package spec

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
)

// Schema is the JSON Schema (2020-12) of a topology file, for editors. Its shape
// comes from the same structs the reader uses, its limits from the same
// constants. It accepts every file that Load accepts; what a schema can't say
// (names used twice, zones that don't exist, seats that don't fit) Load adds.
func Schema() []byte {
	r := jsonschema.Reflector{DoNotReference: true, Anonymous: true, Mapper: ownTypes}
	root := r.Reflect(&document{})
	root.Title = "slotwright topology"
	for _, n := range notes {
		s := at(root, n.path)
		s.Description = n.text
		if n.rule != nil {
			n.rule(s)
		}
	}
	onlyOnKubernetes(at(root, "spec"))
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("spec: schema: " + err.Error()) // of our own structs
	}
	return append(data, '\n')
}

// ownTypes are the schemas of scalars: text is never empty, and a
// directive's value may be a number, too.
func ownTypes(t reflect.Type) *jsonschema.Schema {
	switch {
	case t == reflect.TypeFor[scalar]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Pattern: noControl + `*$`}, {Type: "integer"}}}
	case t.Kind() == reflect.String:
		return &jsonschema.Schema{Type: "string", Pattern: noControl + `+$`}
	}
	return nil
}

const noControl = `^[^\x00-\x1f\x7f-\x9f]`

// at is the schema of the value at a path; [] stands for any item of a list.
func at(s *jsonschema.Schema, path string) *jsonschema.Schema {
	for key := range strings.SplitSeq(path, ".") {
		key, item := strings.CutSuffix(key, "[]")
		next, ok := s.Properties.Get(key)
		if !ok {
			panic("spec: schema: no key " + path)
		}
		if s = next; item {
			s = s.Items
		}
	}
	return s
}

// note documents a key and adds what its Go type doesn't say.
type note struct {
	path, text string
	rule       func(*jsonschema.Schema)
}

var notes = []note{
	{"apiVersion", "The version of this file format.", only(apiVersion)},
	{"kind", "Valkey clusters are of this kind, too.", only(kind)},
	{"metadata", "What the cluster is called.", nil},
	{"metadata.name", "The cluster's name, unique in the source: " + labelRule + ".", matches(label.String())},
	{"spec", "What the cluster should be.", nil},
	{"spec.masters", "How many masters (shards) the cluster has.", within(1, maxNodes)},
	{"spec.replicasPerMaster", "How many replicas each master has.", within(0, maxNodes-1)},
	{"spec.zones", "Failure domains the nodes are spread over. Without it they are those the nodes name; nodes without a zone have their host as domain.", listOf(true)},
	{"spec.zones[]", "The name of a zone.", matches(label.String())},
	{"spec.zoneSpread", "Whether members of one shard must stand in different zones. Default Required; Off for local processes without zones.",
		only(string(Required), string(Preferred), string(Off))},

	{"spec.platform", "Where the nodes are: exactly one of static, local, kubernetes.", exactlyOne},
	{"spec.platform.static", "Servers that exist. slotwright starts and stops nothing here.", nil},
	{"spec.platform.static.nodes", "The servers. More than there are seats for is allowed: the rest are spare.", listOf(false)},
	{"spec.platform.static.nodes[]", "One server.", nil},
	{"spec.platform.static.nodes[].name", "A name that outlives the address.", matches(serverName.String())},
	{"spec.platform.static.nodes[].address", "host:port, an IPv6 host in brackets.", matches(`^\S+:[1-9][0-9]{0,4}$`)},
	{"spec.platform.static.nodes[].zone", "The zone it stands in. All nodes name one, or none does.", matches(label.String())},
	{"spec.platform.local", "Server processes on this machine, for development and tests.", nil},
	{"spec.platform.local.directory", "Where the nodes keep their files. Default: a state directory per cluster.", nil},
	{"spec.platform.local.basePort", "The first port; each node has one, and its cluster bus listens 10000 above. Default 7000.", within(1, maxPort-busOffset)},
	{"spec.platform.local.server", "The server to run. Default: the first of redis-server and valkey-server on PATH.", nil},
	{"spec.platform.kubernetes", "Pods.", adopted},
	{"spec.platform.kubernetes.namespace", "The namespace of everything that is made.", matches(label.String())},
	{"spec.platform.kubernetes.image", "The container image. Default: taken from spec.engine.", matches(imageName.String())},
	{"spec.platform.kubernetes.storage", "The volume of each pod.", nil},
	{"spec.platform.kubernetes.storage.size", "Its size, such as 20Gi.", matches(quantity.String())},
	{"spec.platform.kubernetes.storage.storageClassName", "Its storage class. Default: that of the Kubernetes cluster.", matches(serverName.String())},
	{"spec.platform.kubernetes.storage.whenScaled", "What becomes of the claims of pods that a shrink removes. Default Retain.", only(Retain, Delete)},
	{"spec.platform.kubernetes.storage.whenDeleted", "What becomes of the claims when the cluster is deleted. Default Retain.", only(Retain, Delete)},
	{"spec.platform.kubernetes.resources", "Resources of the server's container, as Kubernetes has them. Without config.maxmemory it is three quarters of the memory limit.", nil},
	{"spec.platform.kubernetes.podTemplate", "Merged strategically into the pods' template: metadata and spec, as Kubernetes has them. The server's container is called redis.", nil},
	{"spec.platform.kubernetes.networkPolicy", "Let only the cluster's own pods reach the cluster bus. Default false.", nil},
	{"spec.platform.kubernetes.serviceMonitor", "Have the Prometheus operator scrape the pods.", nil},
	{"spec.platform.kubernetes.serviceMonitor.port", "The name of a container port that the podTemplate adds.", matches(portName.String())},
	{"spec.platform.kubernetes.serviceMonitor.labels", "Labels by which a Prometheus selects it.", nil},
	{"spec.platform.kubernetes.adopt", "Plan and scale a StatefulSet that somebody else made, and leave its template alone.", nil},
	{"spec.platform.kubernetes.adopt.statefulSet", "Its name.", matches(serverName.String())},

	{"spec.engine", "What the servers must be; checked against INFO.", nil},
	{"spec.engine.name", "The server.", only("redis", "valkey")},
	{"spec.engine.version", `The version or its beginning, in quotes: "7.2" fits 7.2.4.`, matches(engineVersion.String())},
	{"spec.slots", "How evenly slots are spread over the masters.", nil},
	{"spec.slots.tolerance", "A cluster this close to even is left alone. Default 2%.", matches(percent.String())},
	{"spec.slots.weights", "Weights by zone, from 1 to 1000. Default 1. A shard weighs as the least of its members' zones.", weights},
	{"spec.config", "Directives of redis.conf, applied to running servers where they can be.", directives},
	{"spec.auth", "Who slotwright and the nodes log in as.", nil},
	{"spec.auth.username", "Default: default.", nil},
	{"spec.auth.password", "Where the password is found; it is never written here. Exactly one of env, file, secret.", exactlyOne},
	{"spec.auth.password.env", "An environment variable of slotwright.", matches(envName.String())},
	{"spec.auth.password.file", "A file, relative to this one.", nil},
	{"spec.auth.password.secret", "A Kubernetes Secret in the namespace of the cluster.", nil},
	{"spec.auth.password.secret.name", "Its name.", matches(serverName.String())},
	{"spec.auth.password.secret.key", "The key in it.", matches(secretKeyName.String())},
	{"spec.tls", "TLS for every connection: files, or one secret.", filesOrSecret},
	{"spec.tls.caFile", "The certificates of who signed the servers', relative to this file.", nil},
	{"spec.tls.certFile", "The certificate to show, relative to this file.", nil},
	{"spec.tls.keyFile", "Its key, relative to this file.", nil},
	{"spec.tls.secret", "A Kubernetes Secret with the keys ca.crt, tls.crt and tls.key.", matches(serverName.String())},
	{"spec.migration", "The budget of clients while slots move.", nil},
	{"spec.migration.maxLatency", "How long a client may wait because of a move. Default 20ms.", matches(`^\+?([0-9]*\.?[0-9]*(ns|us|µs|μs|ms|s|m|h))+$`)},
	{"spec.failback", "Bring masters back to an even spread over zones after failovers. Default true.", nil},
	{"spec.allow", "Permissions. Each names its subject and counts only while it fits exactly.", nil},
	{"spec.allow.shrinkTo", "Remove more than half of the masters, or leave fewer than three: equal to masters.", within(1, maxNodes)},
	{"spec.allow.dataLoss", "Serve these lost slots again, empty: exactly those that are lost, such as [0-5460, 7000].", listOf(false)},
	{"spec.allow.dataLoss[]", "A slot or a range of slots.", nil},
	{"spec.allow.delete", "Delete the cluster: its name.", nil},
	{"spec.allow.forget", "Forget these leaving nodes although they do not answer: they are gone for good, and nothing on them is needed.", listOf(true)},
	{"spec.allow.forget[]", "The name of a node, as the plan gives it.", matches(".")},
	{"spec.allow.plan", "Carry out this plan, where the daemon asks for that (run --approve plan): its fingerprint.", matches(fingerprint.String())},
	{"spec.suspend", "Observe and report, change nothing.", nil},
	{"spec.state", "Absent deletes the cluster, which needs allow.delete. Default Present.", only(string(Present), string(Absent))},
}

func only(words ...string) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) {
		s.Pattern = ""
		for _, w := range words {
			s.Enum = append(s.Enum, w)
		}
	}
}

func matches(pattern string) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.Pattern = pattern }
}

func within(least, most int) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) {
		s.Minimum, s.Maximum = json.Number(strconv.Itoa(least)), json.Number(strconv.Itoa(most))
	}
}

func listOf(unique bool) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) {
		least, most := uint64(1), uint64(maxNodes)
		s.MinItems, s.MaxItems, s.UniqueItems = &least, &most, unique
	}
}

func exactlyOne(s *jsonschema.Schema) {
	one := uint64(1)
	s.MinProperties, s.MaxProperties = &one, &one
}

func weights(s *jsonschema.Schema) {
	s.PropertyNames = &jsonschema.Schema{Pattern: label.String()}
	within(1, maxWeight)(s.AdditionalProperties)
}

func directives(s *jsonschema.Schema) {
	var not []*jsonschema.Schema
	for _, name := range slices.Sorted(maps.Keys(owned)) {
		if start, many := strings.CutSuffix(name, "*"); many {
			not = append(not, &jsonschema.Schema{Pattern: "^" + start})
		} else {
			not = append(not, &jsonschema.Schema{Const: name})
		}
	}
	s.PropertyNames = &jsonschema.Schema{Pattern: directive.String(), Not: &jsonschema.Schema{AnyOf: not}}
}

func filesOrSecret(s *jsonschema.Schema) {
	one := uint64(1)
	s.OneOf = []*jsonschema.Schema{{Required: []string{"caFile"}}, {Required: []string{"secret"}, MaxProperties: &one}}
	s.DependentRequired = map[string][]string{"certFile": {"keyFile"}, "keyFile": {"certFile"}}
}

// adopted says that the template of an adopted StatefulSet is somebody else's.
func adopted(s *jsonschema.Schema) {
	s.If = &jsonschema.Schema{Required: []string{"adopt"}}
	two := uint64(2)
	s.Then = &jsonschema.Schema{MaxProperties: &two}
}

// onlyOnKubernetes says that elsewhere a Kubernetes Secret can't be read.
func onlyOnKubernetes(s *jsonschema.Schema) {
	noSecret := &jsonschema.Schema{Not: &jsonschema.Schema{Required: []string{"secret"}}}
	s.If = inside("platform", &jsonschema.Schema{Required: []string{"kubernetes"}})
	s.Else = inside("tls", noSecret)
	s.Else.Properties.Set("auth", inside("password", noSecret))
}

func inside(key string, s *jsonschema.Schema) *jsonschema.Schema {
	out := &jsonschema.Schema{Properties: jsonschema.NewProperties()}
	out.Properties.Set(key, s)
	return out
}
