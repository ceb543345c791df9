package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// watches is how often jobs are looked at.
const watches = 50 * time.Millisecond

// wait looks at the jobs that count until all have ended. When ctx ends, or a
// target is full, they are cancelled first: the slots stay where they are.
func (x *export) wait(ctx context.Context, counts func(job) bool) (why string, err error) {
	for tick := 0; ; tick++ {
		jobs, err := x.from.jobs(ctx)
		if err != nil {
			return "", err
		}
		for name, j := range jobs {
			if !counts(j) {
				delete(jobs, name)
			} else if j.state == "failed" {
				why = fmt.Sprintf("%s could not migrate slots atomically: %s", x.from.name, j.message)
			}
		}
		if len(running(jobs)) == 0 {
			return why, nil
		}
		err = pause(ctx, watches)
		for _, r := range x.routes {
			err = errors.Join(err, r.to.memory.err())
		}
		if err != nil {
			return "", errors.Join(err, x.cancel(ctx))
		}
		if tick%5 == 4 {
			if err := x.measure(ctx, jobs); err != nil {
				return "", err
			}
			if _, err := x.look(ctx); err != nil {
				return "", err
			}
		}
	}
}

// measure reports how much the source has sent, so that a job that goes on for
// long is not taken for one that stands still. Only what a snapshot sends counts:
// that has an end. What clients write meanwhile comes after it, and a job that
// never catches up with them gets nowhere. A source tells no more than the sum
// of its jobs; each route is given its part by slots.
func (x *export) measure(ctx context.Context, jobs map[string]job) error {
	copies := slices.ContainsFunc(running(jobs), func(j job) bool { return j.state == "snapshotting" })
	if !copies {
		return nil
	}
	sent, err := x.from.exported(ctx)
	if err != nil {
		return err
	}
	all := 0
	for _, r := range x.routes {
		all += r.left
	}
	for _, r := range x.routes {
		if bytes := (sent - x.before) * int64(r.left) / int64(max(all, 1)); bytes > r.bytes.Load() {
			r.bytes.Store(bytes)
			x.say(r.progress())
		}
	}
	return nil
}

// cancel ends all jobs of the source and waits until they have ended.
func (x *export) cancel(ctx context.Context) error {
	_, err := x.from.ask(ctx, "CLUSTER", "CANCELSLOTMIGRATIONS")
	if err != nil && !refused(err, "No migrations ongoing") {
		return err
	}
	for range 100 {
		jobs, err := x.from.jobs(ctx)
		if err != nil || len(running(jobs)) == 0 {
			return err
		}
		time.Sleep(watches)
	}
	return fmt.Errorf("%s does not end its slot migrations", x.from.name)
}
