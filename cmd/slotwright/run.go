package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
	"github.com/slotwright/slotwright/cmd/slotwright/tell"
	"github.com/slotwright/slotwright/gitsync"
	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/live"
	"github.com/slotwright/slotwright/spec"
)

// following is one run of the daemon.
type following struct {
	*tool
	origin  origin
	once    bool
	mode    string
	approve string
	resync  time.Duration
	timeout time.Duration
	quiet   time.Duration
	format  string
	forget  []string

	listen     string // address
	hookSecret string // file
	lease      string // NAMESPACE/NAME
	tells      telling
	places     []*tell.Place
}

func (t *tool) run() *cobra.Command {
	f := &following{tool: t}
	c := &cobra.Command{
		Use:   "run --source URL_OR_DIR",
		Short: "Follow git or a directory, and keep every cluster the way it says",
		Long: `run is the daemon. It follows a branch, a tag or a commit of a git repository, or a
directory, and keeps every cluster the way its topology says, each by itself: one
that is slow or broken stops no other. What drifts is brought back; with --mode
detect it is only reported.

A topology with a mistake changes nothing: it is reported with file and line, and
the cluster stays as the last good revision wants it. A source that can't be read
changes nothing. A cluster that the source does not name any more is reported as
orphaned and left alone. A new revision during a change takes over at the next
safe boundary. It may be killed at any point and started again.

From a git repository, topologies may name files only below --files, and start
processes on this machine only with --allow-local. Environment variables they may
name freely: give the daemon those that are meant for them.

With --approve plan it carries out only a plan that the topology names, by its
fingerprint, in allow.plan, and what is left of it. The fingerprint is in the output of
slotwright plan, in the daemon's status, and in the hold that says what is missing.

With --listen it serves health, metrics, its status as JSON, and webhooks of git
servers at /hooks/github, /hooks/gitlab, /hooks/gitea and /hooks/generic. All a
webhook does is to have the source looked at. Nobody is asked for a password:
listen where only those can connect who may read the addresses of your servers.

It tells people how clusters stand, when that changes: with --status-api by a status
of each commit, CONTEXT/CLUSTER; with --slack-url-file in a chat; with --webhook-url
to a program, with X-Signature: sha256= and the hexadecimal HMAC-SHA256 of the
body. What can't be delivered is tried again, and no cluster waits for it.

Of several daemons for one source on one machine, one acts and the others stand by;
with --lease that holds for all machines of a Kubernetes cluster. What becomes of
clusters on Kubernetes is told in Events on their StatefulSets.

With --once it looks at the source once, reconciles every cluster once, and exits:
0 all is as wanted, 1 error or a mistake in the source, 3 something is held.
Otherwise it exits 0 when it is told to stop (SIGTERM, SIGINT), at a safe boundary.
SIGHUP makes it look at the source at once.`,
		Example: `  slotwright run --source https://git.example.com/team/redis.git --branch main --path prod
  slotwright run --source ./topologies --mode detect
  slotwright run --source ssh://git@git.example.com/redis.git --ssh-key-file key --once`,
		Args: wordsAre(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c.Context()) },
	}
	f.flags(c)
	return c
}

func (f *following) flags(c *cobra.Command) {
	flags := c.Flags()
	f.origin.flags(flags)
	flags.BoolVar(&f.once, "once", false, "one look at the source and one pass over every cluster, then exit")
	flags.StringVar(&f.mode, "mode", "enforce", "enforce: bring clusters to what is wanted; detect: only report")
	flags.StringVar(&f.approve, "approve", "none", "plan: carry out only plans that the topology's allow.plan names; none: carry out what the topology wants")
	flags.DurationVar(&f.resync, "resync", time.Minute, "time between the passes over a cluster; after errors it is longer")
	flags.DurationVar(&f.timeout, "timeout", reconcile.DefaultPatience, "end a pass after this long without progress")
	flags.DurationVar(&f.quiet, "failback-after", time.Minute, "bring masters back only when nothing has changed for this long")
	flags.StringVar(&f.format, "log-format", "text", "how to log: text or json")
	f.others(flags)
	f.tells.flags(c)
	flags.StringSliceVar(&f.forget, "forget", nil, "stop to report this orphaned `CLUSTER`")
}

// others are the flags about who else is there: clients, and other daemons.
func (f *following) others(flags *pflag.FlagSet) {
	flags.StringVar(&f.listen, "listen", "", "serve /healthz, /readyz, /metrics, /api/v1/status and /hooks/ at this `ADDRESS`")
	flags.StringVar(&f.hookSecret, "hook-secret-file", "", "`FILE` with the secret of webhooks; without it there are none")
	flags.StringVar(&f.lease, "lease", "", "act only while holding this Kubernetes Lease, `NAMESPACE/NAME`; others stand by")
}

func (f *following) run(ctx context.Context) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.format == "json" {
		f.log = slog.New(slog.NewJSONHandler(f.err, nil))
	}
	state, err := live.StateDir()
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	memory, err := follow.Remember(state, f.origin.place().Name, f.origin.identity()...)
	if err != nil {
		return err
	}
	if f.places, err = f.tells.open(&f.origin); err != nil {
		return err
	}
	board := follow.NewBoard()
	if f.once {
		return f.oneTime(ctx, memory, board)
	}
	return f.forEver(ctx, memory, board)
}

func (f *following) check() error {
	switch {
	case f.mode != "enforce" && f.mode != "detect":
		return usage{fmt.Errorf("--mode %q is none of enforce, detect", f.mode)}
	case f.approve != "none" && f.approve != "plan":
		return usage{fmt.Errorf("--approve %q is none of none, plan", f.approve)}
	case f.format != "text" && f.format != "json":
		return usage{fmt.Errorf("--log-format %q is none of text, json", f.format)}
	case f.timeout <= 0 || f.resync <= 0:
		return usage{errors.New("--timeout and --resync must be more than nothing")}
	case f.quiet < 0:
		return usage{errors.New("--failback-after must not be less than nothing")}
	case f.quiet >= f.timeout && !f.once: // no pass would ever be quiet for so long
		return usage{fmt.Errorf("--failback-after %s must be less than --timeout %s", f.quiet, f.timeout)}
	}
	return f.origin.check()
}

// oneTime is --once.
func (f *following) oneTime(ctx context.Context, memory *follow.Memory, board *follow.Board) error {
	free, holder, err := memory.Lock()
	switch {
	case err != nil:
		return err
	case free == nil:
		fmt.Fprintf(f.err, "slotwright: held: a daemon follows this source already: %s\n", holder)
		return exitHeld
	}
	defer free()
	face := f.front(board)
	follower, err := f.follower(memory, face)
	if err != nil {
		return err
	}
	defer follower.Source.Close()
	results, err := follower.Once(ctx)
	f.tellOnce(ctx, memory, face)
	code := exitOK
	for i, r := range results {
		if i > 0 {
			fmt.Fprintln(f.out)
		}
		resultText(f.out, f.paint(), r, r.Plan.Holds)
		code = worse(code, codeAfter(r))
	}
	var mistakes spec.Mistakes
	switch {
	case errors.As(err, &mistakes): // the log has them
		return exitError
	case err != nil:
		return err
	}
	return code.err()
}

// forEver is the daemon.
func (f *following) forEver(ctx context.Context, memory *follow.Memory, board *follow.Board) error {
	face := f.front(board)
	stop, err := face.open()
	if err != nil {
		return err
	}
	defer stop()
	free, err := memory.Await(ctx, func(holder string) {
		board.Standby(holder)
		f.log.Info("standing by: another daemon follows this source", "holder", holder)
	})
	if err != nil {
		return stoppedOr(ctx, err)
	}
	defer free()
	if f.lease == "" {
		return f.lead(ctx, memory, face)
	}
	client, err := api()
	if err != nil {
		return err
	}
	err = client.Lead(ctx, f.lease, func(holder string) {
		board.Standby(holder)
		f.log.Info("standing by: another daemon has the lease", "lease", f.lease, "holder", holder)
	}, func(ctx context.Context) error { return f.lead(ctx, memory, face) })
	return stoppedOr(ctx, err)
}

// lead follows the source as the only daemon that does.
func (f *following) lead(ctx context.Context, memory *follow.Memory, face *front) error {
	face.board.Standby("")
	follower, err := f.follower(memory, face)
	if err != nil {
		return err
	}
	defer follower.Source.Close()
	face.wake.Store(new(follower.Source.Wake))
	defer wakeOn(face.look, syscall.SIGHUP)()
	f.log.Info("following", "source", follower.Origin.Name, "mode", f.mode, "version", built().Version)
	defer f.tellOn(memory, face)()
	go face.events.run(ctx)
	follower.Run(ctx)
	f.log.Info("stopped")
	return nil
}

// stoppedOr is nil when a daemon was told to stop.
func stoppedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// wakeOn calls wake at each signal until stop is called.
func wakeOn(wake func(), s os.Signal) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, s)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-signals:
				wake()
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(signals); close(done) }
}

func (f *following) follower(memory *follow.Memory, face *front) (*follow.Follower, error) {
	if err := memory.Forget(f.forget); err != nil {
		f.log.Warn("orphans are not forgotten", "error", err)
	}
	board := face.board
	told := &runLog{log: f.log, board: board}
	face.events = newPodEvents(f.log)
	follower := &follow.Follower{
		Origin: f.origin.place(), Memory: memory, Board: board, Log: f.log,
		Loop: reconcile.Loop{
			Connect: func(want spec.Topology) (reconcile.Cluster, error) {
				face.events.connecting(want)
				return f.connect(want)
			},
			Every: f.resync, Patience: f.timeout, Quiet: f.quiet, Detect: f.mode == "detect", Ask: f.approve == "plan",
			Event:  func(e reconcile.Event) { face.metrics.Event(e); told.event(e); face.events.event(e) },
			Result: func(r reconcile.Result) { face.metrics.Result(r); told.result(r); face.events.result(r) },
		},
	}
	var err error
	follower.Source, err = f.origin.open(memory, func(err error) {
		if _, ok := errors.AsType[*gitsync.Refused](err); ok {
			err = nil // it was read, and what is in it is a mistake
		}
		follower.Looked(err)
		face.metrics.Looked(err)
	})
	return follower, err
}
