package bed

import "fmt"

// pauseImage holds a pod's namespaces.
const pauseImage = "localhost/pause:1"

// containerdConfig: the directories it uses are each machine's own. Without
// restrict_oom_score_adj runc may start no pod where root lacks CAP_SYS_RESOURCE.
func containerdConfig(b Bed) string {
	return fmt.Sprintf(`version = 2
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
`, pauseImage, plugins, b.path("cni"))
}

// kubeletConfig: version 1 of control groups still serves, the machine's
// disk and memory are not this node's to judge, and no address is translated.
func kubeletConfig(b Bed, group, address, resolvConf string) string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %s
healthzPort: 0
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /%s
failCgroupV1: false
failSwapOn: false
evictionHard: {memory.available: 0%%, nodefs.available: 0%%, nodefs.inodesFree: 0%%, imagefs.available: 0%%, imagefs.inodesFree: 0%%}
imageGCHighThresholdPercent: 100
makeIPTablesUtilChains: false
resolvConf: %s
volumePluginDir: /var/lib/kubelet/plugins
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: %s}}
authorization: {mode: AlwaysAllow}
`, address, group, resolvConf, b.path("pki", "ca.crt"))
}

// cniConfig connects every pod to one bridge; the machines draw addresses
// from one file of leases, so that none is given out twice.
func cniConfig(b Bed) string {
	return fmt.Sprintf(`{
  "cniVersion": "0.4.0", "name": "testbed",
  "plugins": [
    {"type": "bridge", "bridge": %q, "isGateway": true, "ipMasq": false,
     "ipam": {"type": "host-local", "subnet": %q, "routes": [{"dst": "0.0.0.0/0"}], "dataDir": %q}}
  ]
}
`, bridge, pods, b.path("leases"))
}
