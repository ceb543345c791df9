package spec

// The file format, as the keys stand in YAML. Counts and switches are pointers,
// so that absent is not zero. Keys without omitempty must be written.

const (
	apiVersion = "slotwright/v1alpha1"
	kind       = "RedisCluster"
)

type document struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       body     `json:"spec"`
}

type metadata struct {
	Name string `json:"name"`
}

type body struct {
	Masters           *int              `json:"masters"`
	ReplicasPerMaster *int              `json:"replicasPerMaster"`
	Zones             []string          `json:"zones,omitempty"`
	ZoneSpread        string            `json:"zoneSpread,omitempty"`
	Platform          platform          `json:"platform"`
	Engine            *engine           `json:"engine,omitempty"`
	Slots             *slots            `json:"slots,omitempty"`
	Config            map[string]scalar `json:"config,omitempty"`
	Auth              *auth             `json:"auth,omitempty"`
	TLS               *tlsFiles         `json:"tls,omitempty"`
	Migration         *migration        `json:"migration,omitempty"`
	Failback          *bool             `json:"failback,omitempty"`
	Allow             *allow            `json:"allow,omitempty"`
	Suspend           bool              `json:"suspend,omitempty"`
	State             string            `json:"state,omitempty"`
}

// scalar is text that may also be written as a whole number.
type scalar string

type platform struct {
	Static     *static     `json:"static,omitempty"`
	Local      *local      `json:"local,omitempty"`
	Kubernetes *kubernetes `json:"kubernetes,omitempty"`
}

type static struct {
	Nodes []staticNode `json:"nodes"`
}

type staticNode struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Zone    string `json:"zone,omitempty"`
}

type local struct {
	Directory string `json:"directory,omitempty"`
	BasePort  *int   `json:"basePort,omitempty"`
	Server    string `json:"server,omitempty"`
}

type kubernetes struct {
	Namespace string         `json:"namespace"`
	Image     string         `json:"image,omitempty"`
	Storage   *storage       `json:"storage,omitempty"`
	Resources map[string]any `json:"resources,omitempty"`

	PodTemplate    map[string]any  `json:"podTemplate,omitempty"`
	NetworkPolicy  bool            `json:"networkPolicy,omitempty"`
	ServiceMonitor *serviceMonitor `json:"serviceMonitor,omitempty"`
	Adopt          *adopt          `json:"adopt,omitempty"`
}

type storage struct {
	Size             string `json:"size"`
	StorageClassName string `json:"storageClassName,omitempty"`
	WhenScaled       string `json:"whenScaled,omitempty"`
	WhenDeleted      string `json:"whenDeleted,omitempty"`
}

type serviceMonitor struct {
	Port   string            `json:"port"`
	Labels map[string]string `json:"labels,omitempty"`
}

type adopt struct {
	StatefulSet string `json:"statefulSet"`
}

type engine struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type slots struct {
	Tolerance string         `json:"tolerance,omitempty"`
	Weights   map[string]int `json:"weights,omitempty"`
}

type auth struct {
	Username string  `json:"username,omitempty"`
	Password *secret `json:"password"`
}

type secret struct {
	Env    string     `json:"env,omitempty"`
	File   string     `json:"file,omitempty"`
	Secret *secretKey `json:"secret,omitempty"`
}

type secretKey struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

type tlsFiles struct {
	CAFile   string `json:"caFile,omitempty"`
	CertFile string `json:"certFile,omitempty"`
	KeyFile  string `json:"keyFile,omitempty"`
	Secret   string `json:"secret,omitempty"`
}

type migration struct {
	MaxLatency string `json:"maxLatency,omitempty"`
}

type allow struct {
	ShrinkTo *int     `json:"shrinkTo,omitempty"`
	DataLoss []scalar `json:"dataLoss,omitempty"`
	Delete   string   `json:"delete,omitempty"`
	Forget   []string `json:"forget,omitempty"`
	Plan     string   `json:"plan,omitempty"`
}
