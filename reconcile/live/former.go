package live

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// formers is what is known of nodes that have left.
type formers struct {
	asked time.Time
	found map[string]cluster.Former // by ID: those that run on as they were
	blank map[string]bool           // by ID: reset, or another node stands there
}

const (
	// askFormers is how often nodes that have left are asked. Nothing waits for
	// what they say.
	askFormers = time.Minute
	// formerAnswers is how long they have to answer: most are gone for good.
	formerAnswers = 500 * time.Millisecond
	mostFormers   = 64
)

// ranOn are the nodes that left without a reset and run on. Only those of a
// fixed inventory are asked: an address that a platform gave may be anybody's by
// now, and who is asked is shown the password.
func (c *Cluster) ranOn(ctx context.Context, members, left roster, seen cluster.State) []cluster.Former {
	if c.want.Platform.Static == nil || !seen.Formed {
		return nil
	}
	gone := away(members, seen)
	maps.Copy(gone, away(left, seen))
	if len(gone) > 0 && time.Since(c.formers.asked) >= askFormers {
		c.askFormer(ctx, gone)
	}
	var out []cluster.Former
	for id, f := range c.formers.found {
		if _, still := gone[id]; still {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b cluster.Former) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// away are the seats whose nodes are not among those seen, and where no node
// that was seen stands.
func away(seats roster, seen cluster.State) roster {
	at := map[string]bool{}
	for _, n := range seen.Nodes {
		at[n.Addr] = true
	}
	out := roster{}
	for id, seat := range seats {
		if seen.ByID(id) == nil && seat.Addr != "" && !at[seat.Addr] {
			out[id] = seat
		}
	}
	return out
}

// askFormer asks who stands at the seats. A node that answers as itself and
// knows others, or has slots or keys, runs on as it was.
func (c *Cluster) askFormer(ctx context.Context, seats roster) {
	ctx, cancel := context.WithTimeout(ctx, formerAnswers)
	defer cancel()
	c.formers = formers{asked: time.Now(), found: map[string]cluster.Former{}, blank: map[string]bool{}}
	var ids []string
	var places []cluster.Place
	for _, id := range slices.Sorted(maps.Keys(seats))[:min(len(seats), mostFormers)] {
		ids = append(ids, id)
		places = append(places, cluster.Place{ID: id, Name: seats[id].Name, Addr: seats[id].Addr, Exists: true})
	}
	for i, v := range c.askAll(ctx, places) {
		self := cluster.Myself(v.Lines)
		switch {
		case self == nil: // nothing is known
		case self.ID != ids[i] || len(v.Lines) == 1 && len(self.Ranges) == 0 && v.Info.Keys == 0:
			c.formers.blank[ids[i]] = true
		default:
			c.formers.found[ids[i]] = cluster.Former{Name: v.Place.Name, Addr: v.Place.Addr}
		}
	}
}

// keepFormer keeps the seats of nodes that are no members any more, until they
// were seen blank or another node stands there.
func (c *Cluster) keepFormer(now, members, left roster, seen cluster.State) {
	if c.want.Platform.Static == nil {
		return
	}
	for _, seats := range []roster{members, left} {
		for id, seat := range away(seats, seen) {
			if !c.formers.blank[id] {
				seat.Left = true
				now[id] = seat
			}
		}
	}
}

// nameStrangers says of strangers what the rosters of this machine knew them as:
// of this cluster's own nodes that have left, and of other clusters, for a file
// whose cluster was given another name has a roster of its own.
func (c *Cluster) nameStrangers(left roster, seen *cluster.State) {
	var others map[string]roster
	for i := range seen.Nodes {
		n := &seen.Nodes[i]
		if n.Listed || n.Before || !n.Member || n.ID == "" || c.state == "" {
			continue
		}
		if seat, ok := left[n.ID]; ok {
			n.Once = seat.Name + " of this cluster, which it has left"
			continue
		}
		if others == nil {
			others = c.otherRosters()
		}
		for _, name := range slices.Sorted(maps.Keys(others)) {
			if seat, ok := others[name][n.ID]; ok {
				n.Once = fmt.Sprintf("%s of cluster %s", seat.Name, name)
				break
			}
		}
	}
}

// otherRosters are those of other clusters, by name.
func (c *Cluster) otherRosters() map[string]roster {
	out := map[string]roster{}
	files, _ := filepath.Glob(filepath.Join(c.state, "*"+rosterSuffix)) // the pattern is well formed
	for _, file := range files {
		if seats, err := readRoster(file); err == nil && file != c.rosterFile() {
			out[strings.TrimSuffix(filepath.Base(file), rosterSuffix)] = seats
		}
	}
	return out
}
