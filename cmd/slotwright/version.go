package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (t *tool) version() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long:  "version prints the version, the commit it was built from, and the Go release.",
		Example: `  slotwright version
  slotwright version -o json`,
		Args: wordsAre(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			b := built()
			switch format {
			case "json":
				return writeJSON(t.out, b)
			case "text":
				_, err := fmt.Fprintf(t.out, "slotwright %s\n", b.Version+after(", commit ", b.Commit)+", "+b.Go)
				return err
			}
			return usage{fmt.Errorf("--output %q is none of text, json", format)}
		},
	}
	c.Flags().StringVarP(&format, "output", "o", "text", "how to print: text or json")
	return c
}

// build says what this binary was made from.
type build struct {
	FormatVersion int    `json:"formatVersion"`
	Version       string `json:"version"`
	Commit        string `json:"commit"` // "" outside a repository
	Go            string `json:"go"`
}

func built() build {
	b := build{FormatVersion: formatVersion, Version: "(devel)", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Commit = s.Value
		}
	}
	return b
}
