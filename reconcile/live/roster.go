package live

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/whole"
)

// Seat is what is remembered of a node that was once listed: who it was and
// where it stood. It holds no secret.
type Seat struct {
	Name string `json:"name"`
	Addr string `json:"address"`
	Zone string `json:"zone,omitempty"`
	// Left says that it is no member any more, and was not seen blank since.
	Left bool `json:"left,omitempty"`
}

// roster is every seat of a cluster by node ID. It gives names to nodes that
// left the file: who loses it sees them as strangers and touches nothing. And it
// tells the cluster from another one that the file names by mistake.
type roster map[string]Seat

const rosterSuffix = ".roster.json"

// largestRoster bounds what is read back.
const largestRoster = 4 << 20

// StateDir is where rosters and locks are kept: SLOTWRIGHT_STATE_DIR, else
// slotwright in XDG_STATE_HOME, else ~/.local/state/slotwright.
func StateDir() (string, error) {
	if dir := os.Getenv("SLOTWRIGHT_STATE_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "slotwright"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", "slotwright"), nil
}

func (c *Cluster) rosterFile() string {
	return filepath.Join(c.state, c.want.Name+rosterSuffix)
}

// roster reads what earlier runs remembered: of members, and of nodes that have
// left. A missing file is an empty roster. One that can't be read is empty, too,
// and an error: what left the file is a stranger then, and people must know why.
func (c *Cluster) roster() (members, left roster, err error) {
	members, left = roster{}, roster{}
	if c.state == "" {
		return members, left, nil
	}
	all, err := readRoster(c.rosterFile())
	if err != nil {
		return members, left, err
	}
	for id, seat := range all {
		if seat.Left {
			left[id] = seat
		} else {
			members[id] = seat
		}
	}
	return members, left, nil
}

func readRoster(name string) (roster, error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return roster{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var seats roster
	if err := json.NewDecoder(io.LimitReader(file, largestRoster)).Decode(&seats); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return seats, nil
}

// Remember keeps the names of the listed members, so that a later run knows
// them when they have left the file, and of those that have left as long as they
// may run on. Only a run that acts, or that finds all as wanted, calls it. A
// roster that can't be read is left as it is: somebody may bring it back.
func (c *Cluster) Remember(seen cluster.State) error {
	if c.state == "" || !seen.Formed {
		return nil
	}
	members, left, err := c.roster()
	if err != nil {
		return err
	}
	now := roster{}
	for _, n := range seen.Nodes {
		seat, known := members[n.ID]
		switch {
		case n.ID == "" || !n.Member:
		case n.Listed:
			now[n.ID] = Seat{Name: n.Name, Addr: n.Addr, Zone: n.Zone}
		case known:
			now[n.ID] = seat
		}
	}
	c.keepFormer(now, members, left, seen)
	maps.Copy(members, left)
	if maps.Equal(now, members) {
		return nil
	}
	if err := now.save(c.rosterFile()); err != nil {
		return fmt.Errorf("remember the nodes of %s: %w", c.want.Name, err)
	}
	return nil
}

func (r roster) save(file string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return whole.Write(file, append(text, '\n'))
}

// hint tells every place which node an earlier run saw there. Where two nodes
// have had its name, the one at its address is meant.
func (r roster) hint(places []cluster.Place) {
	ids := make(map[string]string, len(r))
	at := make(map[Seat]string, len(r))
	for _, id := range slices.Sorted(maps.Keys(r)) {
		seat := r[id]
		ids[seat.Name] = id
		at[Seat{Name: seat.Name, Addr: seat.Addr}] = id
	}
	for i := range places {
		p := &places[i]
		p.ID = cmp.Or(p.ID, at[Seat{Name: p.Name, Addr: p.Addr}], ids[p.Name])
	}
}

// recognise marks the views of nodes that are remembered, wherever they stand
// and whatever they are called now.
func (r roster) recognise(views []cluster.View) {
	for i := range views {
		if self := cluster.Myself(views[i].Lines); self != nil {
			_, views[i].Remembered = r[self.ID]
		}
	}
}

// place is where a member stands that no place of the platform covers: under
// its old name when it was listed once, else as a stranger. taken are the names
// already given.
func (r roster) place(id, addr string, taken map[string]bool) cluster.Place {
	seat, known := r[id]
	if !known {
		return cluster.Place{Name: addr, Addr: addr}
	}
	name := seat.Name
	if taken[name] { // the name went to another node
		name = addr
	}
	taken[name] = true
	host, _, _ := net.SplitHostPort(addr)
	return cluster.Place{ID: id, Name: name, Addr: addr, Zone: seat.Zone, Host: host, Exists: true}
}
