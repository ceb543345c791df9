package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/slotwright/slotwright/reconcile/plan"
)

func (t *tool) explain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE]",
		Short: "What a hold means and what lifts it",
		Long: `explain tells what the code of a hold means and what lifts it. Without a code it
lists them all.`,
		Example: `  slotwright explain
  slotwright explain NodeSilent`,
		Args:              wordsAre(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cobra.FixedCompletions(codes(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return t.listCodes()
			}
			return t.explainCode(args[0])
		},
	}
}

func codes() []string {
	var out []string
	for _, c := range plan.Codes() {
		out = append(out, string(c))
	}
	return out
}

func (t *tool) listCodes() error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, c := range plan.Codes() {
		meaning, _, _ := plan.Explain(c)
		first, _, _ := strings.Cut(strings.TrimSuffix(meaning, "."), ". ")
		fmt.Fprintf(w, "%s\t%s\n", c, first)
	}
	return w.Flush()
}

func (t *tool) explainCode(name string) error {
	k := slices.IndexFunc(plan.Codes(), func(c plan.Code) bool { return strings.EqualFold(string(c), name) })
	if k < 0 {
		return fault{text: fmt.Sprintf("%q is no code of a hold", name), hint: "run 'slotwright explain' for the list"}
	}
	code := plan.Codes()[k]
	meaning, lift, _ := plan.Explain(code)
	_, err := fmt.Fprintf(t.out, "%s\n\n%s\n\nTo lift it: %s\n", code, meaning, lift)
	return err
}
