// Command controlplane is etcd, kube-apiserver, kube-controller-manager,
// kube-scheduler and kubectl in one file, told apart by the name it is called
// by: they share most of their code, and one link of it takes less time and
// disk than five. It must not do anything that the upstream commands do not.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	_ "time/tzdata" // time zones of CronJobs

	"github.com/spf13/cobra"
	etcd "go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of the clients
	_ "k8s.io/component-base/metrics/prometheus/version"  // metric of the version
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// Only the command that was chosen may be constructed: constructing that of
// the API server already takes the process's signals for itself, and the
// scheduler panics when it wants them too.
func main() {
	var construct func() *cobra.Command
	switch name := filepath.Base(os.Args[0]); name {
	case "etcd":
		etcd.Main(os.Args)
		return
	case "kube-apiserver":
		construct = apiserver.NewAPIServerCommand
	case "kube-controller-manager":
		construct = controllers.NewControllerManagerCommand
	case "kube-scheduler":
		construct = func() *cobra.Command { return scheduler.NewSchedulerCommand() }
	case "kubectl":
		construct = kubectl.NewDefaultKubectlCommand
	default:
		fmt.Fprintf(os.Stderr, "controlplane: called as %q; it is etcd, kube-apiserver, kube-controller-manager, kube-scheduler or kubectl, by name\n", name)
		os.Exit(1)
	}
	os.Exit(cli.Run(construct()))
}
