package live

import (
	"context"
	"errors"
	"fmt"
)

// harmless is a command that changes nothing. The server can't know that, and
// holds it up with whatever may write while it gives way to a replica.
var harmless = []any{"EVAL", "", 0}

// yielding is longer than a server holds commands up when it gives way: until
// the replica leads, and 5 s if it does not come to that (CLUSTER_MF_TIMEOUT;
// cluster-manual-failover-timeout of Valkey 9).
const yielding = 3 * slack

// firm sends commands to a master in one transaction, which it runs as a whole
// and never while it gives way to a replica.
//
// CLUSTER FAILOVER has the replica ask the master first. The master then holds
// up what may write (CLIENT_PAUSE_WRITE, PAUSE_DURING_FAILOVER) and tells how
// far the replica has to read; the replica reads that far, asks the others for
// their votes and takes the epoch above all it has heard of. CLUSTER SETSLOT and
// BUMPEPOCH are no writes to Redis, so a master that was to learn of its heir in
// the next moment still carries them out, takes an epoch above the heir's, and
// all members give it back the slots that they gave the heir. The two stay
// masters, clients have written to the one that lost, and it drops those keys.
//
// EXEC waits when one of its commands may write. So the transaction ends before
// the master is asked, and then the heir is told of all it did with the very
// message that says how far to read. Or it begins when the master follows the
// heir, and SETSLOT is refused; or when nothing came of it all.
func (e *end) firm(ctx context.Context, cmds [][]any) []Reply {
	whole := append([][]any{{"MULTI"}, harmless}, cmds...)
	replies := e.pipe(ctx, 0, yielding, append(whole, []any{"EXEC"}))
	out := make([]Reply, len(cmds))
	values, err := executed(replies)
	for i := range out {
		if out[i].Err = err; err != nil {
			continue
		}
		out[i].Value = values[i+1]
		if refusal, bad := values[i+1].(error); bad {
			out[i] = Reply{Err: ServerError(refusal.Error())}
		}
	}
	return out
}

// executed are the answers that EXEC gave, or why there are none: a command that
// is refused before EXEC takes the whole transaction with it.
func executed(replies []Reply) ([]any, error) {
	for i, r := range replies {
		if i == 1 {
			r.Err = scripts(r.Err)
		}
		if r.Err != nil {
			return nil, r.Err
		}
	}
	values, _ := replies[len(replies)-1].Value.([]any)
	if len(values) != len(replies)-2 {
		return nil, errors.New("EXEC does not answer every command")
	}
	return values, nil
}

// scripts says what a login that may not run scripts is missing.
func scripts(err error) error {
	if !refused(err, "NOPERM") {
		return err
	}
	return fmt.Errorf("%w: allow the login EVAL: a harmless script keeps slots from being handed over in the middle of a failover", err)
}
