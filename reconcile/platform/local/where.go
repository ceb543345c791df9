package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/whole"
)

// whereFile remembers in the state directory where a cluster's nodes were last
// made. It is only a help: without it another directory is another cluster.
func whereFile(state, cluster string) string {
	return filepath.Join(state, "local", cluster+".where")
}

// remember writes down where the nodes are.
func (p *Platform) remember() error {
	if err := os.MkdirAll(filepath.Dir(p.where), 0o700); err != nil {
		return err
	}
	return whole.Write(p.where, []byte(p.home.dir+"\n"))
}

// elsewhere tells of nodes of this cluster in another directory, where this one
// has none; "" when there are none. To start new ones then would make a second
// cluster beside the one that has the data.
func (p *Platform) elsewhere(made map[string]*marker) (string, error) {
	if len(made) > 0 {
		return "", nil
	}
	text, err := os.ReadFile(p.where)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	dir := strings.TrimSuffix(string(text), "\n")
	if err != nil || dir == p.home.dir || dir == "" {
		return "", err
	}
	there, err := home{dir, p.want.Name}.nodes()
	if err != nil || len(there) == 0 { // gone, or another cluster's by now
		return "", nil
	}
	return fmt.Sprintf("its nodes are in %s and the topology says %s", dir, p.home.dir), nil
}

// remark tells of a node that was made before basePort was changed.
func (p *Platform) remark(m *marker) string {
	base := p.want.Platform.Local.BasePort
	if m.Base == 0 || m.Base == base {
		return ""
	}
	return fmt.Sprintf("nodes that were made with basePort: %d keep their ports; %d is for new ones", m.Base, base)
}

// remains reports whether anything of a node's directory is there, also what a
// killed run left on the way out.
func (h home) remains(node string) bool {
	for _, name := range []string{node, going + node} {
		if _, err := os.Lstat(h.path(name)); err == nil {
			return true
		}
	}
	return false
}

// rubble are the nodes that a killed run left on the way out and that no place
// is about.
func (h home) rubble(places []cluster.Place) []string {
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		node, gone := strings.CutPrefix(e.Name(), going)
		if gone && !slices.ContainsFunc(places, func(p cluster.Place) bool { return p.Name == node }) {
			out = append(out, node)
		}
	}
	return out
}
