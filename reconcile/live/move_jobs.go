package live

import (
	"context"
	"fmt"
	"strings"

	"github.com/slotwright/slotwright/spec/slot"
)

// job is one entry of CLUSTER GETSLOTMIGRATIONS at the node that sends.
type job struct {
	name, target, state, message string
	slots                        slot.Set
}

// over says whether a job has ended. What it moved only the owners tell: a job
// can fail after the target took over.
func (j job) over() bool {
	return j.state == "success" || j.state == "failed" || j.state == "cancelled"
}

// jobs are what a Valkey 9 node is sending or has sent lately, by name.
func (e *end) jobs(ctx context.Context) (map[string]job, error) {
	v, err := e.ask(ctx, "CLUSTER", "GETSLOTMIGRATIONS")
	if err != nil {
		return nil, err
	}
	rows, _ := v.([]any)
	out := map[string]job{}
	for _, row := range rows {
		fields := map[string]string{}
		words, _ := row.([]any)
		for i := 0; i+1 < len(words); i += 2 {
			fields[fmt.Sprint(words[i])] = fmt.Sprint(words[i+1])
		}
		if fields["operation"] != "EXPORT" {
			continue
		}
		j := job{name: fields["name"], target: fields["target_node"], state: fields["state"], message: fields["message"]}
		if err := j.read(fields["slot_ranges"]); err != nil {
			return nil, fmt.Errorf("%s: slot migration %s: %w", e.name, j.name, err)
		}
		out[j.name] = j
	}
	return out, nil
}

// read takes in "0-9 20-29".
func (j *job) read(ranges string) (err error) {
	j.slots, err = slot.Parse(strings.ReplaceAll(strings.TrimSpace(ranges), " ", ","))
	return err
}

// running are the jobs that have not ended.
func running(jobs map[string]job) []job {
	var out []job
	for _, j := range jobs {
		if !j.over() {
			out = append(out, j)
		}
	}
	return out
}

// exported is how many bytes a node has sent in slot migrations since it
// started, 0 where it does not tell (INFO stats, Valkey 9).
func (e *end) exported(ctx context.Context) (int64, error) {
	v, err := e.ask(ctx, "INFO", "stats")
	if err != nil {
		return 0, err
	}
	text, _ := v.(string)
	n, err := number(text, "total_net_cluster_slot_export_bytes:")
	if err != nil {
		return 0, nil //nolint:nilerr // a server that does not tell is no trouble
	}
	return int64(n), nil
}
