package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/spec"
)

// tool is one invocation and all it can reach.
type tool struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)
	asks     bool // a person can answer at in
	paints   bool // out is a terminal
	draws    bool // err is a terminal: progress may be drawn over itself
	connect  func(spec.Topology) (reconcile.Cluster, error)
	log      *slog.Logger
}

// system is the invocation as the operating system made it.
func system() *tool {
	return &tool{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		env:     os.LookupEnv,
		asks:    term.IsTerminal(int(os.Stdin.Fd())),
		paints:  term.IsTerminal(int(os.Stdout.Fd())),
		draws:   term.IsTerminal(int(os.Stderr.Fd())),
		connect: connect,
	}
}

// run carries out one command line and returns the exit code.
func run(ctx context.Context, args []string, t *tool) int {
	t.log = slog.New(slog.NewTextHandler(t.err, nil))
	out := &outlet{to: t.out}
	t.out = out
	root := t.root()
	root.SetArgs(args)
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	done, err := root.ExecuteContextC(ctx)
	err = out.verdict(err)
	var code exit
	if err != nil && !errors.As(err, &code) {
		t.complain(err, done)
	}
	return int(codeOf(err))
}

// complain prints an error and what can be done about it.
func (t *tool) complain(err error, at *cobra.Command) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(t.err, "slotwright: error:", clean(strings.TrimRight(line, "\n")))
	}
	var f fault
	var u usage
	switch {
	case errors.As(err, &f) && f.hint != "":
		fmt.Fprintln(t.err, "slotwright: hint:", f.hint)
	case errors.As(err, &u):
		fmt.Fprintf(t.err, "slotwright: hint: run '%s --help'\n", at.CommandPath())
	}
}

// usage is an error in the command line itself.
type usage struct{ error }

func (t *tool) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "slotwright",
		Short: "Keep Redis and Valkey clusters the way topology files describe them",
		Long: `slotwright compares topology files with what live clusters say of themselves and
takes ordered steps until they agree. It refuses to remove anything that still
holds slots or keys.

Exit codes: 0 as wanted, 1 error or bad usage, 2 changes pending
(plan --detailed-exitcode only), 3 held: something is left undone on purpose.

Every flag can be given as an environment variable: SLOTWRIGHT_ and the flag's
name in capitals, with _ for -. Results go to stdout, everything else to stderr.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return t.flagsFromEnv(c.Flags()) },
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
		Args:              wordsAre(cobra.NoArgs),
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	root.AddCommand(t.validate(), t.plan(), t.apply(), t.run(), t.watch(), t.status(), t.importVerb(), t.explain(), t.schema(), t.version())
	return root
}

// wordsAre makes a wrong number of arguments, or an unknown verb, bad usage.
func wordsAre(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usage{err}
		}
		return nil
	}
}

// flagsFromEnv sets every flag that the command line does not name from its
// environment variable, if there is one.
func (t *tool) flagsFromEnv(flags *pflag.FlagSet) error {
	var all []error
	flags.VisitAll(func(f *pflag.Flag) {
		name := envOf(f.Name)
		value, ok := t.env(name)
		if f.Changed || !ok || f.Name == "help" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			all = append(all, usage{fmt.Errorf("%s: %w", name, err)})
		}
	})
	return errors.Join(all...)
}

func envOf(flag string) string {
	return "SLOTWRIGHT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
