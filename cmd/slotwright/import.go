package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

// importing is one run of import.
type importing struct {
	*tool
	name   string
	zones  map[string]string
	access access
}

func (t *tool) importVerb() *cobra.Command {
	i := &importing{tool: t}
	c := &cobra.Command{
		Use:   "import ADDRESS --name NAME",
		Short: "Write the YAML of a live cluster; the plan of that YAML is empty",
		Long: `import looks at a live cluster, from any of its members, and writes the topology
file that it already fits: a static inventory of its nodes, with the zone rule,
the failback and the tolerance that its layout satisfies now. Directives of
redis.conf are not written.

Zones are not known to the servers. Name them by host or by address with --zone;
without them every host is a domain of its own.

It exits 3 when no such file exists, for instance while a node is silent: then
the nearest one is written, and what holds or would change goes to stderr.`,
		Example: `  slotwright import 10.0.0.1:6379 --name orders > orders.yaml
  slotwright import 10.0.0.1:6379 --name orders --zone 10.0.0.1=a --zone 10.0.0.2=b
  slotwright import 127.0.0.1:7000 --name dev --password-env REDIS_PASSWORD`,
		Args: wordsAre(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return i.run(c.Context(), args[0]) },
	}
	c.Flags().StringVar(&i.name, "name", "", "name of the cluster in the file (required)")
	c.Flags().StringToStringVar(&i.zones, "zone", nil, "`HOST=ZONE` or HOST:PORT=ZONE; repeatable")
	i.access.flags(c.Flags())
	i.access.exclude(c)
	return c
}

func (i *importing) run(ctx context.Context, address string) error {
	switch {
	case i.name == "":
		return usage{errors.New("--name is required")}
	case !isAddress(address):
		return usage{fmt.Errorf("%q is not host:port", address)}
	}
	seed, err := i.access.topology(address)
	if err != nil {
		return err
	}
	found := i.look(ctx, seed)
	free([]surveyed{found})
	if found.result.Err != nil {
		return found.result.Err
	}
	if n := found.result.Seen.Nodes[0]; len(found.result.Seen.Nodes) == 1 && n.Health == cluster.Silent {
		return fmt.Errorf("import %s: it does not answer%s", address, after(": ", n.Trouble))
	}
	seed.Name = i.name
	base, left, err := inventory(seed, &found.result.Seen, i.zones)
	if err != nil {
		return fmt.Errorf("import %s: %w", address, err)
	}
	best, result := i.fit(ctx, base, &found.result.Seen)
	text, err := spec.Format(best)
	if err != nil {
		return err
	}
	if _, err := i.out.Write(text); err != nil {
		return err
	}
	for _, name := range left {
		fmt.Fprintf(i.err, "left out: %s holds no slots and follows nobody\n", clean(name))
	}
	return i.verdict(result)
}

// fit finds the strictest rules under which nothing is to be done. When there
// are none, it is the strictest rules, and the plan they have.
func (i *importing) fit(ctx context.Context, base spec.Topology, seen state) (spec.Topology, reconcile.Result) {
	var first *surveyed
	for _, want := range rules(base, seen) {
		one := i.look(ctx, want)
		free([]surveyed{one})
		if one.result.Sync() == reconcile.InSync {
			return want, one.result
		}
		if first == nil {
			first = &one
		}
	}
	return first.want, first.result
}

// verdict tells what stands between the file and an empty plan, if anything.
func (i *importing) verdict(r reconcile.Result) error {
	switch {
	case r.Err != nil:
		return r.Err
	case r.Sync() == reconcile.InSync:
		return nil
	}
	fmt.Fprintln(i.err, "the cluster does not fit this file as it is:")
	for _, s := range r.Plan.Steps {
		fmt.Fprintf(i.err, "  would %s: %s\n", clean(deed(s)), clean(s.Reason))
	}
	holdsText(i.err, false, r.Plan.Holds)
	return exitHeld
}
