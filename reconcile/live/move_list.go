package live

import (
	"context"
	"fmt"
	"slices"
)

// weighing lists keys of a slot, at most so many, and tells what each takes in the
// server's memory. A server takes as long for the script as for a command a key, 1.7 us
// of each on Redis 7.0, and there is less to send, to read and to wait for. A key that
// has expired and is listed still takes nothing: of a slot that is leaving, the server
// says that it is not local.
//
// Names of more than 1 MB in all a script is not to touch: for 2000 of 64 KB each it
// took more than 5 s, and other clients waited. So it asks for few names first, and
// answers with a number where they are long.
const weighing = `
local most, n, keys, sizes = tonumber(ARGV[2]), 32, {}, {}
repeat
  n = math.min(4 * n, most)
  keys = redis.call('CLUSTER', 'GETKEYSINSLOT', ARGV[1], n)
  local bytes = 0
  for i = 1, #keys do bytes = bytes + #keys[i] end
  if bytes > 1048576 then return bytes end
until #keys < n or n == most
for i = 1, #keys do
  local size = redis.pcall('MEMORY', 'USAGE', keys[i])
  if type(size) == 'table' then
    if not string.find(size.err, 'non local key', 1, true) then return size end
    size = 0
  end
  sizes[i] = size or 0
end
return {keys, sizes}`

const (
	// goes is in how many goes the slots of a portion are listed.
	goes = 8
	// listing is how long a server takes to list and weigh a key, in us.
	listing = 2
)

// listed is how many keys of a slot one listing shows. A server lists them in one
// go, and has half of the clients' budget for that.
func (e *end) listed() int { return int(worth(e.pace.budget)) / listing }

// find asks which keys the source holds of each slot, at most listed of each, and
// what they weigh. It leaves out the slots that hold none.
func (w *pair) find(ctx context.Context, db int, slots []int) ([]batch, error) {
	var out []batch
	for some := range slices.Chunk(slots, max(1, (len(slots)+goes-1)/goes)) {
		cmds := make([][]any, len(some))
		for i, s := range some {
			cmds[i] = []any{"EVAL_RO", weighing, 0, s, w.from.listed()}
		}
		for i, r := range w.from.pipe(ctx, db, slack, cmds) {
			b, err := w.batch(ctx, db, some[i], r)
			if err != nil {
				return nil, fmt.Errorf("list slot %d at %s: %w", some[i], w.from.name, scripts(err, "EVAL_RO, and CLUSTER and MEMORY in it, and all keys (~*)"))
			}
			if len(b.keys) > 0 {
				out = append(out, b)
			}
		}
	}
	return out, nil
}

// batch is what the script tells of a slot, or what it leaves to be asked.
func (w *pair) batch(ctx context.Context, db, slot int, r Reply) (batch, error) {
	if _, long := r.Value.(int64); long {
		return w.long(ctx, db, slot)
	}
	return weighed(slot, r)
}

// long lists and weighs keys with long names, a command a key.
func (w *pair) long(ctx context.Context, db, slot int) (batch, error) {
	r := w.from.pipe(ctx, db, slack, [][]any{{"CLUSTER", "GETKEYSINSLOT", slot, w.from.listed()}})[0]
	list, ok := r.Value.([]any)
	if r.Err != nil || !ok {
		return batch{}, orGarbage(r)
	}
	keys, err := keyNames(list)
	if err != nil {
		return batch{}, err
	}
	b := []batch{{slot: slot, keys: keys}}
	err = w.weigh(ctx, db, b)
	return b[0], err
}

// keyNames are the keys that a server lists.
func keyNames(list []any) ([]string, error) {
	keys := make([]string, len(list))
	for i, k := range list {
		key, ok := k.(string)
		if !ok {
			return nil, fmt.Errorf("a key of type %T", k)
		}
		keys[i] = key
	}
	return keys, nil
}

// weighed reads the answer of the script.
func weighed(slot int, r Reply) (batch, error) {
	both, _ := r.Value.([]any)
	if r.Err != nil || len(both) != 2 {
		return batch{}, orGarbage(r)
	}
	list, _ := both[0].([]any)
	sizes, _ := both[1].([]any)
	if len(list) != len(sizes) {
		return batch{}, fmt.Errorf("%d keys, and what %d weigh", len(list), len(sizes))
	}
	keys, err := keyNames(list)
	if err != nil {
		return batch{}, err
	}
	b := batch{slot, keys, make([]int64, len(sizes))}
	for i, size := range sizes {
		n, ok := size.(int64)
		if !ok {
			return batch{}, fmt.Errorf("%s weighs %v", named(keys[i:i+1]), size)
		}
		b.bytes[i] = n
	}
	return b, nil
}
