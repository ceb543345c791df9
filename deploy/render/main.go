// Command render prints the manifests that helm and kustomize make of deploy/chart
// and deploy/kustomize, by the libraries of both, so that tests and people without
// them see the same. It is no part of the product.
package main

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

func main() {
	text, err := render(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
	fmt.Print(text)
}

func render(args []string) (string, error) {
	switch {
	case len(args) == 5 && args[0] == "chart":
		values, err := os.ReadFile(args[4]) //nolint:gosec // who runs it says which file
		if err != nil {
			return "", err
		}
		return chart(args[1], args[2], args[3], values)
	case len(args) == 2 && args[0] == "kustomize":
		return kustomized(args[1])
	}
	return "", fmt.Errorf("say chart DIR RELEASE NAMESPACE VALUES, or kustomize DIR")
}

// chart is what helm template prints of the chart in dir, without its notes.
func chart(dir, release, namespace string, values []byte) (string, error) {
	c, err := loader.LoadDir(dir)
	if err != nil {
		return "", err
	}
	given := map[string]any{}
	if err := yaml.UnmarshalStrict(values, &given); err != nil {
		return "", err
	}
	options := common.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, given, options, common.DefaultCapabilities)
	if err != nil {
		return "", err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if text := strings.Trim(files[name], "\n"); path.Ext(name) == ".yaml" && strings.TrimSpace(text) != "" {
			fmt.Fprintf(&out, "---\n# %s\n%s\n", path.Base(name), strings.TrimPrefix(text, "---\n"))
		}
	}
	return out.String(), nil
}

// kustomized is what kustomize build prints of the overlay in dir.
func kustomized(dir string) (string, error) {
	out, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return "", err
	}
	text, err := out.AsYaml()
	return string(text), err
}
