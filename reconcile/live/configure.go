package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// configure sets directives on running nodes, all of a node in one command. A
// directive the server refuses leaves all of them as they were.
func (w *work) configure(ctx context.Context, steps []plan.Step) error {
	return eachErr(steps, func(s plan.Step) error {
		if err := w.configureOne(ctx, s); err != nil {
			return fmt.Errorf("configure %s: %w", s.Node, err)
		}
		w.done(s, "")
		return nil
	})
}

func (w *work) configureOne(ctx context.Context, s plan.Step) error {
	n, err := w.node(s.Node)
	if err != nil {
		return err
	}
	now, err := w.migration(ctx, n)
	if err != nil {
		return err
	}
	// What was borrowed goes back with it, else it would be written to the
	// server's file for good.
	set := map[string]string{}
	maps.Copy(set, returned(now))
	maps.Copy(set, s.Config)
	if len(set) == 0 {
		return nil
	}
	if _, err := w.command(ctx, n.Addr, configSet(set)...); refusesValue(err) {
		return plan.Held{Hold: plan.Hold{ // of all nodes, where all say the same
			Why: plan.Stuck, Code: plan.BadConfig,
			Text: "the server refuses spec.config, and keeps what it has: " + clip(err.Error()), Lift: "correct spec.config",
		}}
	} else if err != nil {
		return err
	}
	// A server without a configuration file can't keep it, and one whose file is
	// not writable is configured by somebody else: the next pass after a restart
	// sets it again.
	_, _ = w.command(ctx, n.Addr, "CONFIG", "REWRITE")
	return nil
}

// refusesValue reports whether CONFIG SET refused a value, which it will do again:
// ERR CONFIG SET failed, or Invalid argument before Redis 7.
func refusesValue(err error) bool {
	var refusal ServerError
	return errors.As(err, &refusal) && strings.HasPrefix(string(refusal), "ERR ")
}

func configSet(values map[string]string) []any {
	args := []any{"CONFIG", "SET"}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		args = append(args, name, values[name])
	}
	return args
}
