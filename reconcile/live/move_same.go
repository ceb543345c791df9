package live

import (
	"context"
	"fmt"
	"slices"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// settle deals with keys that the target has already. Such a key is a copy that a
// cut MIGRATE left behind, or another value. Copies are deleted, and their keys go
// with the next list: while a slot is open its source serves every key it holds.
// Where it is not proven that what the target has is a copy, it is compared: a
// different value is nobody's to delete, for the marks may have been lost on the
// way, and with them the order of writes.
func (w *emptying) settle(ctx context.Context, db int, b batch) (unknown, err error) {
	there, err := w.watch(ctx, db, b.keys)
	if err != nil {
		return err, nil
	}
	defer there.close()
	var torn []string
	copies, proven, err := w.kept(ctx, db, b.slot, there.keys)
	if err == nil && !proven {
		copies, torn, err = w.compare(ctx, db, there.keys)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("slot %d: %w", b.slot, err)
	case len(torn) > 0:
		return nil, plan.Held{Hold: w.twoValues(b.slot, torn)}
	}
	return there.drop(ctx, copies), nil
}

// compare tells keys that are equal at both ends from those that differ.
func (w *pair) compare(ctx context.Context, db int, keys []string) (equal, torn []string, err error) {
	for _, key := range keys {
		same, busy, err := w.same(ctx, db, key)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("compare key %q: %w", key, err)
		case busy && same:
			equal = append(equal, key)
		case busy:
			torn = append(torn, key)
		}
	}
	return equal, torn, nil
}

// twoValues names the keys, some of them and cut short, and never a value.
func (w *pair) twoValues(slot int, keys []string) plan.Hold {
	who := named(keys) + " has"
	if len(keys) > 1 {
		who = named(keys) + " each have"
	}
	return plan.Hold{
		Why: plan.Stuck, Code: plan.TwoValues, Node: w.from.name,
		Text: fmt.Sprintf("slot %d: %s one value at %s and another at %s", slot, who, w.from.name, w.to.name),
		Lift: fmt.Sprintf("delete the wrong one (%s wants ASKING before each command), then run again", w.to.name),
	}
}

// same compares a key at both ends. It is busy when both hold it.
func (w *pair) same(ctx context.Context, db int, key string) (same, busy bool, err error) {
	a, err := w.from.fetch(ctx, db, "DUMP", key)
	if err != nil || a == nil {
		return false, false, err
	}
	b, err := w.to.fetch(ctx, db, "DUMP", key)
	if err != nil || b == nil {
		return false, false, err
	}
	if a == b {
		return true, true, nil
	}
	// A payload carries the server's RDB version, and unordered types are
	// dumped in the order of a hash table: equal values may differ in it.
	x, err := w.from.value(ctx, db, key)
	if err != nil {
		return false, false, err
	}
	y, err := w.to.value(ctx, db, key)
	return x != nil && slices.Equal(x, y), true, err
}

// fetch reads one key, nil when the node does not hold it. ASKING makes a
// target answer for a slot it is importing; a source that does not hold the
// key sends us there with ASK.
func (e *end) fetch(ctx context.Context, db int, args ...any) (any, error) {
	r := e.pipe(ctx, db, slack, [][]any{{"ASKING"}, args})
	if refused(r[1].Err, "ASK ") {
		return nil, nil
	}
	if r[1].Err != nil {
		return nil, fmt.Errorf("%s: %w", e.name, r[1].Err)
	}
	return r[1].Value, nil
}

// value is what a key holds, its type first, in an order that depends on
// nothing else; nil for types that can only be compared as a payload.
func (e *end) value(ctx context.Context, db int, key string) ([]string, error) {
	kind, err := e.fetch(ctx, db, "TYPE", key)
	if err != nil {
		return nil, err
	}
	reads := map[any][]any{
		"string": {"GET", key},
		"list":   {"LRANGE", key, 0, -1},
		"set":    {"SMEMBERS", key},
		"zset":   {"ZRANGE", key, 0, -1, "WITHSCORES"},
		"hash":   {"HGETALL", key},
	}
	read := reads[kind]
	if read == nil {
		return nil, nil
	}
	v, err := e.fetch(ctx, db, read...)
	if err != nil {
		return nil, err
	}
	return append([]string{fmt.Sprint(kind)}, inOrder(kind, v)...), nil
}

func inOrder(kind, v any) []string {
	rows, ok := v.([]any)
	if !ok {
		return []string{fmt.Sprint(v)}
	}
	var out []string
	step := 1
	if kind == "hash" {
		step = 2 // a field and its value stay together
	}
	for i := 0; i+step <= len(rows); i += step {
		out = append(out, fmt.Sprintf("%q", rows[i:i+step]))
	}
	if kind == "set" || kind == "hash" {
		slices.Sort(out)
	}
	return out
}
