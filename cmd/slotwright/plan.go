package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/slotwright/slotwright/cmd/slotwright/planfile"
	"github.com/slotwright/slotwright/reconcile"
)

func (t *tool) plan() *cobra.Command {
	var format, out string
	var detailed bool
	c := &cobra.Command{
		Use:   "plan PATH...",
		Short: "Observe and print the steps; never writes",
		Long: `plan observes the clusters that the topology files name and prints the steps
that would make them agree. It changes nothing.

It exits 0 whatever it finds. With --detailed-exitcode it exits 0 when there is
nothing to do, 2 when changes are pending, 3 when something is held.`,
		Example: `  slotwright plan orders.yaml
  slotwright plan -o markdown topologies/ > comment.md
  slotwright plan --out orders.plan orders.yaml && slotwright apply orders.plan`,
		Args: wordsAre(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, paths []string) error {
			show, err := planFormat(format)
			if err != nil {
				return err
			}
			wants, err := t.load(paths)
			if err != nil {
				return err
			}
			all := t.survey(c.Context(), wants)
			if err := show(t, all); err != nil {
				return err
			}
			if out != "" {
				if err := savePlans(out, all); err != nil {
					return err
				}
			}
			return codeOfPlans(all, detailed).err()
		},
	}
	c.Flags().StringVarP(&format, "output", "o", "text", "how to print: text, json or markdown")
	c.Flags().StringVar(&out, "out", "", "save the plan to `FILE`, for slotwright apply FILE")
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit 2 when changes are pending, 3 when something is held")
	return c
}

// planFormat finds the function that prints plans in a format.
func planFormat(name string) (func(*tool, []surveyed) error, error) {
	switch name {
	case "text":
		return (*tool).plansText, nil
	case "json":
		return (*tool).plansJSON, nil
	case "markdown":
		return (*tool).plansMarkdown, nil
	}
	return nil, usage{fmt.Errorf("--output %q is none of text, json, markdown", name)}
}

func codeOfPlans(all []surveyed, detailed bool) exit {
	code := exitOK
	for _, s := range all {
		switch {
		case s.result.Err != nil:
			code = worse(code, exitError)
		case detailed && s.result.Sync() == reconcile.Held:
			code = worse(code, exitHeld)
		case detailed && s.result.Sync() == reconcile.OutOfSync:
			code = worse(code, exitChanges)
		}
	}
	return code
}

// savePlans writes a plan file.
func savePlans(path string, all []surveyed) error {
	file := planfile.File{ToolVersion: built().Version, Created: time.Now().UTC()}
	for _, s := range all {
		if s.result.Err != nil {
			return fault{
				text: fmt.Sprintf("save plan: %s could not be planned, so nothing was saved", s.want.Name),
				hint: "lift the error, or plan that cluster apart",
			}
		}
		one, err := planfile.Save(s.want, s.result)
		if err != nil {
			return fmt.Errorf("save plan of %s: %w", s.want.Name, err)
		}
		file.Clusters = append(file.Clusters, one)
	}
	if err := planfile.Write(path, file); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	return nil
}
