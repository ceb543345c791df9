package live

import (
	"context"
	"errors"
	"time"
)

// final is an error that waiting will not lift.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// longest is how long until waits between two checks at most.
const longest = 250 * time.Millisecond

// until asks check again and again, at once and then less and less often, until
// it returns nil or a final error. A check that takes long because it asks many
// servers leaves them as long for their work. When the limit or the context ends
// first, the last complaint of check is the error: it says what is still missing.
func until(ctx context.Context, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	for pause := 10 * time.Millisecond; ; pause = min(pause*3/2, longest) {
		begin := time.Now()
		err := check(ctx)
		var end final
		switch {
		case err == nil:
			return nil
		case errors.As(err, &end):
			return end.error
		case last == nil || ctx.Err() == nil:
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(max(pause, min(time.Since(begin), longest))):
		}
	}
}
