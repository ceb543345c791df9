package main

import (
	"github.com/spf13/cobra"

	"github.com/slotwright/slotwright/spec"
)

func (t *tool) schema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of topology files",
		Long: `schema prints the JSON Schema of topology files, for editors and for checks
outside slotwright. It accepts what validate accepts, as far as a schema can say
it; validate has the last word.`,
		Example: `  slotwright schema > slotwright.schema.json
  # then, as the first line of a topology file:
  # yaml-language-server: $schema=slotwright.schema.json`,
		Args: wordsAre(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := t.out.Write(spec.Schema())
			return err
		},
	}
}
