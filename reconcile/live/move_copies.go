package live

import (
	"context"
	"errors"
	"fmt"
)

// copies are keys that a target holds of a slot it imports. Its connection has them
// watched, and a transaction begun, so that nothing is deleted that was written to
// since. On a connection that was made anew there is no transaction, and no ASKING
// either, without which the target refuses to delete.
type copies struct {
	of   *end
	conn Conn
	keys []string
}

// watch has a target watch keys, and tells which of them it holds.
func (w *pair) watch(ctx context.Context, db int, keys []string) (*copies, error) {
	c := copies{of: w.to, conn: w.dial(w.seen.Node(w.to.name).Addr)}
	if err := c.begin(ctx, db, keys); err != nil {
		c.close()
		return nil, err
	}
	return &c, nil
}

// begin asks for each key by itself: of several the target would refuse all when it
// has not got every one.
func (c *copies) begin(ctx context.Context, db int, keys []string) error {
	cmds := [][]any{{"CLUSTER", "MYID"}}
	if db > 0 {
		cmds = append(cmds, []any{"SELECT", db})
	}
	for _, key := range keys {
		cmds = append(cmds, []any{"ASKING"}, []any{"WATCH", key}, []any{"ASKING"}, []any{"EXISTS", key})
	}
	replies, err := c.send(ctx, append(cmds, []any{"ASKING"}, []any{"MULTI"}))
	if err != nil {
		return err
	}
	if id := replies[0].Value; id != c.of.id {
		return c.of.isNow(id)
	}
	replies = replies[len(cmds)-4*len(keys):]
	for i, key := range keys {
		if replies[4*i+3].Value == int64(1) {
			c.keys = append(c.keys, key)
		}
	}
	return nil
}

// drop deletes keys that nobody has written to since they are watched, all or none.
func (c *copies) drop(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	var cmds [][]any
	for _, key := range keys {
		cmds = append(cmds, []any{"DEL", key})
	}
	replies, err := c.send(ctx, append(cmds, []any{"EXEC"}))
	if err == nil && replies[len(keys)].Value == nil {
		err = errors.New(c.of.name + ": somebody writes to copies of keys while they are deleted")
	}
	return err
}

// send tells the first refusal, too.
func (c *copies) send(ctx context.Context, cmds [][]any) ([]Reply, error) {
	ctx, cancel := begun(ctx, slack)
	defer cancel()
	replies := c.conn.Pipe(ctx, cmds)
	for _, r := range replies {
		if r.Err != nil {
			return nil, fmt.Errorf("%s: %w", c.of.name, r.Err)
		}
	}
	return replies, nil
}

func (c *copies) close() { _ = c.conn.Close() }
