package main

import (
	"bufio"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/slotwright/slotwright/cmd/slotwright/planfile"
	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/spec"
)

// applying is one run of apply.
type applying struct {
	*tool
	auto    bool
	expect  []string
	timeout time.Duration
	format  string
	saved   map[string]planfile.Saved // plans of a plan file, by cluster; nil without one
}

func (t *tool) apply() *cobra.Command {
	a := &applying{tool: t}
	c := &cobra.Command{
		Use:   "apply PATH... | PLANFILE",
		Short: "Plan, ask once, and take the steps",
		Long: `apply plans, asks once (only 'yes' is accepted) and takes the steps, stage by
stage, observing before each. Then exactly what was approved is done, or what is
left of it, and nothing else. It may be stopped or killed at any point and run
again: the cluster itself says how far it came.

Without a terminal to ask at, an approval must be given: --auto-approve,
--expect-plan with the fingerprint of the reviewed plan, or a plan saved by
slotwright plan --out. None of them permits what a topology must allow.

Exit codes: 0 all is as wanted, 1 error, 3 something is held, with the reason.

With -o json every line is one event with the fields formatVersion, time, event
and cluster. The events are: plan (plan), began (steps), progress (progress, with
step, done, total, keys, bytes, latencyMicros, windowMicros, text), ended (steps,
error), waiting (holds), result (holds, error, and result with state, done, failed,
notStarted), exit (code).`,
		Example: `  slotwright apply orders.yaml
  slotwright apply --auto-approve --timeout 10m topologies/
  slotwright apply --expect-plan sha256:8d0c... orders.yaml
  slotwright apply orders.plan`,
		Args: wordsAre(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return a.run(c.Context(), args) },
	}
	c.Flags().BoolVar(&a.auto, "auto-approve", false, "do not ask; permits nothing that a topology must allow")
	c.Flags().StringSliceVar(&a.expect, "expect-plan", nil, "apply only a plan with this `FINGERPRINT`; one for each cluster that changes")
	c.Flags().DurationVar(&a.timeout, "timeout", reconcile.DefaultPatience, "give up after this long without progress")
	c.Flags().StringVarP(&a.format, "output", "o", "text", "how to print: text or json (one event per line)")
	return c
}

func (a *applying) run(ctx context.Context, args []string) error {
	if err := a.check(); err != nil {
		return err
	}
	wants, err := a.read(args)
	if err != nil {
		return err
	}
	if a.saved == nil && !a.auto && len(a.expect) == 0 && !a.asks {
		return fault{
			text: "nothing done: there is no terminal to ask at and no approval was given",
			hint: "pass --auto-approve, --expect-plan FINGERPRINT, or a plan file made by slotwright plan --out",
		}
	}
	all := a.survey(ctx, wants)
	defer free(all)
	show := a.showing()
	show.plans(all)
	if a.mustAsk(all) {
		if err := a.ask(ctx); err != nil {
			return err
		}
	}
	code := exitOK
	for _, s := range all {
		result := a.one(ctx, s, show)
		show.result(result)
		code = worse(code, codeAfter(result))
	}
	show.exit(code)
	return code.err()
}

func (a *applying) check() error {
	if a.format != "text" && a.format != "json" {
		return usage{fmt.Errorf("--output %q is none of text, json", a.format)}
	}
	if a.timeout <= 0 {
		return usage{fmt.Errorf("--timeout %s is not more than nothing", a.timeout)}
	}
	return nil
}

// read takes the arguments for one plan file, or for topologies.
func (a *applying) read(args []string) ([]spec.Topology, error) {
	if len(args) == 1 && planfile.Is(args[0]) {
		wants, plans, err := planfile.Load(args[0])
		a.saved = plans
		return wants, err
	}
	return a.load(args)
}

// mustAsk reports whether a person must approve something.
func (a *applying) mustAsk(all []surveyed) bool {
	if a.auto || a.saved != nil || len(a.expect) > 0 {
		return false
	}
	for _, s := range all {
		if len(s.result.Plan.Steps) > 0 {
			return true
		}
	}
	return false
}

// ask asks once for all clusters. It is an error not to be told yes.
func (a *applying) ask(ctx context.Context) error {
	fmt.Fprintf(a.err, "\nTake these steps? Only 'yes' is accepted: ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.in).ReadString('\n')
		answer <- line
	}()
	select {
	case <-ctx.Done():
		return fault{text: "stopped before anything was done", cause: context.Cause(ctx)}
	case line := <-answer:
		if line == "yes\n" || line == "yes\r\n" {
			return nil
		}
	}
	return fault{text: "not approved: nothing done"}
}

// one applies one cluster, if it is approved.
func (a *applying) one(ctx context.Context, s surveyed, show show) reconcile.Result {
	approval, refused := a.approval(s)
	switch {
	case s.result.Err != nil:
		return s.result
	case refused != nil:
		s.result.Plan.Holds = append(s.result.Plan.Holds, *refused)
		return s.result
	case ctx.Err() != nil:
		s.result.Err = fmt.Errorf("stopped: %w", context.Cause(ctx))
		return s.result
	case len(s.result.Plan.Steps) == 0 && !a.auto:
		// A person approved steps and none is left; what may come up while
		// waiting nobody has seen.
		return s.result
	}
	defer show.over()
	return reconcile.Apply(ctx, s.cluster, s.want, reconcile.Options{
		Approval: approval, Patience: a.timeout, Report: show.event,
	})
}
