package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// judge tells an answer that leaves it open where keys are, or that time may
// lift, from a refusal that ends the move. OK and NOKEY (expired meanwhile) are both success.
func (w *emptying) judge(ctx context.Context, db int, b batch, err error) (unknown, bad error) {
	var s ServerError
	switch {
	case err == nil:
		return nil, nil
	case !errors.As(err, &s), strings.HasPrefix(string(s), "IOERR"), strings.Contains(string(s), "CLUSTERDOWN"):
		return err, nil
	case strings.Contains(string(s), "BUSYKEY"):
		return w.settle(ctx, db, b)
	}
	if !strings.Contains(string(s), theTargets) {
		return nil, fmt.Errorf("slot %d: %s refuses to send keys to %s (%w)%s", b.slot, w.from.name, w.to.name, err, w.unsent(s))
	}
	return nil, fmt.Errorf("slot %d: %s refuses keys of %s (%w)%s", b.slot, w.to.name, w.from.name, err, w.lift(s))
}

// theTargets is how a source marks what is not its own refusal.
const theTargets = "Target instance replied with error: "

// unsent says what a person can do about a refusal of the source, where that is known.
func (w *pair) unsent(s ServerError) string {
	switch text := string(s); {
	case strings.HasPrefix(text, "NOPERM"):
		return ": allow the login MIGRATE and all keys (~*) at " + w.from.name
	case strings.HasPrefix(text, "NOREPLICAS"):
		return ": " + w.from.name + " takes no writes before min-replicas-to-write of its replicas are in sync"
	case strings.HasPrefix(text, "MISCONF"):
		return ": " + w.from.name + " takes no writes before it can save to its disk"
	}
	return ""
}

// lift says what a person can do about a refusal of the target, where that is known.
func (w *pair) lift(s ServerError) string {
	switch text := string(s); {
	case strings.Contains(text, "OOM"):
		return ": give " + w.to.name + " more memory"
	case strings.Contains(text, theTargets+"NOPERM"):
		return ": " + w.to.name + " must accept the login of the topology for RESTORE (ACL SETUSER ... +restore-asking ~* there)"
	case strings.Contains(text, "NOAUTH"), strings.Contains(text, "WRONGPASS"):
		return ": " + w.to.name + " must accept the login of the topology for RESTORE"
	}
	return ""
}

// migrate is the command. AUTH stands before KEYS, which takes the rest.
//
// REPLACE is not for us: what MIGRATE has sent when it gives up, the target may read
// at any time later, also when the key has arrived on another way and clients have
// written it since. Without REPLACE it is refused then.
func (w *pair) migrate(db int, keys []string, timeout time.Duration) []any {
	cmd := make([]any, 0, 12+len(keys))
	cmd = append(cmd, "MIGRATE", w.host, w.port, "", db, max(1, timeout.Milliseconds()))
	switch {
	case w.login.Username != "":
		cmd = append(cmd, "AUTH2", w.login.Username, w.login.Password)
	case w.login.Password != "":
		cmd = append(cmd, "AUTH", w.login.Password)
	}
	cmd = append(cmd, "KEYS")
	for _, k := range keys {
		cmd = append(cmd, k)
	}
	return cmd
}
