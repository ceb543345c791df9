package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/spec"
)

// watching is one run of status.
type watching struct {
	*tool
	format  string
	wait    bool
	timeout time.Duration
	access  access
}

func (t *tool) status() *cobra.Command {
	w := &watching{tool: t}
	c := &cobra.Command{
		Use:   "status PATH... | ADDRESS",
		Short: "What is live: shards, zones, slots, keys, lag, problems",
		Long: `status shows what is live. With topology files it also says whether each cluster
is as its topology wants it. ADDRESS is host:port of any member, for clusters
without a topology file.

It exits 0 whatever it sees, and 1 when no member of a cluster answers. With
--wait it looks until every cluster is healthy and in sync, and exits 3 when none
came nearer to it for --timeout.`,
		Example: `  slotwright status orders.yaml
  slotwright status 10.0.0.1:6379 --password-env REDIS_PASSWORD
  slotwright status --wait --timeout 2m -o json topologies/`,
		Args: wordsAre(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return w.run(c.Context(), args) },
	}
	c.Flags().StringVarP(&w.format, "output", "o", "text", "how to print: text or json")
	c.Flags().BoolVar(&w.wait, "wait", false, "look until every cluster is healthy and in sync")
	c.Flags().DurationVar(&w.timeout, "timeout", reconcile.DefaultPatience, "with --wait: give up after this long without progress")
	w.access.flags(c.Flags())
	w.access.exclude(c)
	return c
}

func (w *watching) run(ctx context.Context, args []string) error {
	if w.format != "text" && w.format != "json" {
		return usage{fmt.Errorf("--output %q is none of text, json", w.format)}
	}
	wants, compared, err := w.targets(args)
	if err != nil {
		return err
	}
	all, code := w.watch(ctx, wants, compared)
	if w.format == "json" {
		err = writeJSON(w.out, struct {
			FormatVersion int      `json:"formatVersion"`
			Clusters      []status `json:"clusters"`
		}{formatVersion, all})
	} else {
		err = statusesText(w.out, w.paint(), all)
	}
	if err != nil {
		return err
	}
	return code.err()
}

// targets are the topologies to look at, or one made up for an address.
func (w *watching) targets(args []string) (wants []spec.Topology, compared bool, err error) {
	if len(args) == 1 && isAddress(args[0]) {
		one, err := w.access.topology(args[0])
		return []spec.Topology{one}, false, err
	}
	wants, err = w.load(args)
	return wants, true, err
}

// watch looks once, or until all is well.
func (w *watching) watch(ctx context.Context, wants []spec.Topology, compared bool) ([]status, exit) {
	const every = time.Second
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := time.Now().Add(w.timeout)
	before := map[string]bool{}
	for {
		looked := w.survey(ctx, wants)
		free(looked)
		all, code, well := judged(looked, compared)
		// What is as it was before is no progress: a cluster that goes to and
		// fro is not waited for without end.
		if now := distance(looked, all); !before[now] {
			before[now] = true
			limit = time.Now().Add(w.timeout)
		}
		switch {
		case !w.wait || well:
			return all, code
		case time.Now().Add(every).After(limit):
			return all, worse(code, exitHeld)
		}
		select {
		case <-ctx.Done():
			return all, exitError
		case <-time.After(every):
		}
	}
}

// distance is how far the clusters are, apart from what clients change.
func distance(looked []surveyed, all []status) string {
	var b strings.Builder
	for i, s := range looked {
		fmt.Fprintln(&b, all[i].Health, all[i].SlotsServed, s.result.Plan.Steps)
	}
	return b.String()
}

func judged(looked []surveyed, compared bool) (all []status, code exit, well bool) {
	well = true
	for _, s := range looked {
		one := statusOf(s.result, compared)
		all = append(all, one)
		serves := one.Health == healthy || s.want.State == spec.Absent
		well = well && serves && (one.InSync == nil || *one.InSync)
		if one.Health == untold {
			code = worse(code, exitError)
		}
	}
	return all, code, well
}

func statusesText(out io.Writer, p paint, all []status) error {
	for i, s := range all {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := statusText(out, p, s); err != nil {
			return err
		}
	}
	return nil
}

// statusText prints one cluster as a table of its shards, and what is wrong.
func statusText(out io.Writer, p paint, s status) error {
	fmt.Fprintf(out, "%s: %s%s, %d of 16384 slots served\n", p.as(bold, clean(s.Cluster)), s.Health, syncWord(s), s.SlotsServed)
	if len(s.Shards)+len(s.Others) > 0 {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "\n  NODE\tROLE\tZONE\tADDRESS\tSLOTS\tKEYS\tSTATE")
		for _, shard := range s.Shards {
			slots := fmt.Sprintf("%s (%d)", ranges(shard.Slots), shard.SlotCount)
			row(w, shard.Master, "master", slots, number(shard.Keys))
			for _, n := range shard.Replicas {
				row(w, n, "replica", "", "")
			}
		}
		for _, n := range s.Others {
			row(w, n, cmp.Or(n.Role, "-"), "", "")
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	for i, problem := range s.Problems {
		if i == 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "  %s %s\n", p.as(red, "!"), clean(problem))
	}
	return nil
}

func row(w io.Writer, n nodeSeen, role, slots, keys string) {
	fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", clean(n.Name), role, clean(n.Zone), clean(n.Address), slots, keys, stateWord(n))
}

// stateWord is a node's state, with how far a replica is behind.
func stateWord(n nodeSeen) string {
	switch {
	case n.State != "up" || n.LinkUp == nil:
		return n.State
	case !*n.LinkUp:
		return "up, not in sync"
	case n.LagBytes != nil && *n.LagBytes > 0:
		return fmt.Sprintf("up, %sB behind", about(*n.LagBytes))
	}
	return "up, in sync"
}

func syncWord(s status) string {
	switch {
	case s.InSync == nil:
		return ""
	case *s.InSync:
		return ", in sync"
	}
	return ", not in sync"
}

func number(n *int64) string {
	if n == nil {
		return "?"
	}
	return about(*n)
}
