package live

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// sendings of one source are tried before MIGRATE takes over.
const sendings = 3

// export is all that one Valkey 9 master sends: the server copies the slots to
// their targets, hands them over and drops them by itself. The jobs live in the
// server and go on when we die.
type export struct {
	*party
	from   *end
	routes []*route
	before int64 // what the source had sent in slot migrations before; see measure
}

// atomic says whether the slots of a step go atomically, as its plan says.
func (p *party) atomic(s plan.Step) bool {
	engine, _ := plan.EngineFor(p.seen.Node(s.From), p.seen.Node(s.To))
	return engine == plan.Atomic
}

// export sends what can go atomically, all sources at once, and returns the
// routes that are left for MIGRATE.
func (p *party) export(ctx context.Context, routes []*route) ([]*route, error) {
	bySource := map[*end]*export{}
	var rest []*route
	for _, r := range routes {
		if !p.atomic(r.step) {
			rest = append(rest, r)
			continue
		}
		x := bySource[r.from]
		if x == nil {
			x = &export{party: p, from: r.from}
			bySource[r.from] = x
		}
		x.routes = append(x.routes, r)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for _, x := range bySource {
		all.Go(func() {
			err := x.run(ctx)
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
		})
	}
	all.Wait()
	for _, x := range bySource {
		rest = append(rest, slices.DeleteFunc(x.routes, func(r *route) bool { return r.left == 0 })...)
	}
	return rest, failed
}

// run sends until nothing is left, or it has failed too often and MIGRATE may
// try. After a failure the owners are asked, not the job: what has arrived is
// not sent again.
func (x *export) run(ctx context.Context) error {
	if why, err := x.unfit(ctx); err != nil || why != "" {
		x.explain(why)
		return errors.Join(err, x.clear(ctx))
	}
	for try := range sendings {
		if try > 0 {
			if err := pause(ctx, time.Second<<try); err != nil {
				return err
			}
		}
		if err := x.clear(ctx); err != nil {
			return err
		}
		why, err := x.send(ctx)
		if left, err2 := x.look(ctx); err != nil || err2 != nil || left == 0 {
			return errors.Join(err, err2)
		}
		x.explain(why)
		if hopeless(why) {
			break
		}
	}
	return x.clear(ctx)
}

// explain has all routes say why their slots do not go atomically.
func (x *export) explain(why string) {
	for _, r := range x.routes {
		r.text.Store(&why)
	}
}

// unfit says why the source can't send atomically, as far as it can be seen
// before: a server logs in at the target by its own primaryauth, not by what the
// topology has. Its value is not kept.
func (x *export) unfit(ctx context.Context) (why string, err error) {
	if x.login.Password == "" {
		return "", nil
	}
	v, err := x.from.ask(ctx, "CONFIG", "GET", "primaryauth")
	if err != nil {
		return "", err
	}
	if row, _ := v.([]any); len(row) == 2 && row[1] == "" {
		return x.from.name + " has no primaryauth to log in with at other masters: keys go one by one", nil
	}
	return "", nil
}

// hopeless says whether a migration failed for a reason that time does not
// lift: a right or a login that is missing, or a module that forbids it.
func hopeless(why string) bool {
	return slices.ContainsFunc([]string{"NOPERM", "NOAUTH", "WRONGPASS", "does not support atomic slot migration"},
		func(reason string) bool { return strings.Contains(why, reason) })
}

// clear sees to it that no job of an earlier run is under way: one that does
// what is wanted is waited for, others are cancelled.
func (x *export) clear(ctx context.Context) error {
	jobs, err := x.from.jobs(ctx)
	if err != nil || len(running(jobs)) == 0 {
		return err
	}
	for _, j := range running(jobs) {
		if !x.wants(j) {
			return x.cancel(ctx)
		}
	}
	_, err = x.wait(ctx, func(j job) bool { return true })
	return err
}

// wants says whether a job sends slots where a route sends them.
func (x *export) wants(j job) bool {
	return slices.ContainsFunc(x.routes, func(r *route) bool {
		more := j.slots.Minus(r.step.Slots)
		return r.to.id == j.target && more.Empty()
	})
}

// send starts one job a route with all that is left of it, and waits until all
// have ended. It says why one failed.
func (x *export) send(ctx context.Context) (why string, err error) {
	if left, err := x.look(ctx); err != nil || left == 0 {
		return "", err
	}
	if err := x.vacant(ctx); err != nil {
		return "", err
	}
	before, err := x.from.jobs(ctx)
	if err != nil {
		return "", err
	}
	if x.before, err = x.from.exported(ctx); err != nil {
		return "", err
	}
	cmd := []any{"CLUSTER", "MIGRATESLOTS"}
	owned, err := x.from.owned(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range x.routes {
		left := owned.Intersect(r.step.Slots)
		if left.Empty() {
			continue
		}
		cmd = append(cmd, "SLOTSRANGE")
		for _, g := range left.Ranges() {
			cmd = append(cmd, g.First, g.Last)
		}
		cmd = append(cmd, "NODE", r.to.id)
	}
	if _, err := x.from.ask(ctx, cmd...); err != nil {
		var s ServerError
		if errors.As(err, &s) {
			return err.Error(), nil // all or nothing: nothing was begun
		}
		return "", err
	}
	return x.wait(ctx, func(j job) bool { _, old := before[j.name]; return !old })
}
