package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// yielding is longer than a server holds commands up when it gives way: until
// the replica leads, and 5 s if it does not come to that (CLUSTER_MF_TIMEOUT;
// cluster-manual-failover-timeout of Valkey 9).
const yielding = 3 * slack

// firmly has a server carry out commands, unless it is another node than we take it
// for, its clock is past a time, or it has cast other than so many votes. It
// compares when it carries them out: what it reads from its socket when it wakes,
// after a replica was elected in its place, it refuses.
const firmly = `
local now = redis.call('TIME')
if redis.call('CLUSTER', 'MYID') ~= ARGV[1] then return redis.error_reply('STRANGER another node stands there now') end
if ARGV[2] ~= '' and now[1] * 1000 + math.floor(now[2] / 1000) > tonumber(ARGV[2]) then return redis.error_reply('LATE it comes too late') end
if ARGV[3] ~= '' and (string.match(redis.call('CLUSTER', 'INFO'), 'auth%-ack_sent:(%d+)') or '0') ~= ARGV[3] then
  return redis.error_reply('VOTED it has voted meanwhile')
end
local out = {}
for i = 4, #ARGV do
  local words = {}
  for word in string.gmatch(ARGV[i], '%S+') do words[#words + 1] = word end
  out[#out + 1] = redis.pcall(unpack(words))
end
return out`

// firm sends commands without spaces in their words to a master in one script, which
// it runs as a whole and never while it gives way to a replica; nor after until, in
// ms of the server's own clock, nor when it has cast another number of votes than it
// is given. "" stands for any of either.
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
// A script may write for all the server knows, so it waits. It ends before the
// master is asked, and then the heir is told of all it did with the very message
// that says how far to read. Or it begins when the master follows the heir, and
// SETSLOT is refused; or when nothing came of it all.
//
// MULTI with such a script would do as well, but a server that uses more than its
// maxmemory queues no commands (processCommand), and that it is full is why slots
// leave it.
func (e *end) firm(ctx context.Context, until any, votes string, cmds [][]any) []Reply {
	script := []any{"EVAL", firmly, 0, e.id, until, votes}
	for _, cmd := range cmds {
		script = append(script, strings.TrimSpace(fmt.Sprintln(cmd...)))
	}
	r := e.pipe(ctx, 0, yielding, [][]any{script})[0]
	answers, _ := r.Value.([]any)
	if r.Err = scripts(r.Err, "EVAL, and TIME and CLUSTER in it: a script keeps slots from being handed over in the middle of a failover"); r.Err == nil && len(answers) != len(cmds) {
		r.Err = errors.New("EVAL does not answer every command")
	}
	out := make([]Reply, len(cmds))
	for i := range out {
		if out[i].Err = r.Err; r.Err != nil {
			continue
		}
		out[i].Value = answers[i]
		if refusal, bad := answers[i].(error); bad {
			out[i] = Reply{Err: ServerError(refusal.Error())}
		}
	}
	return out
}

// scripts says what is missing where scripts are not run: a right of the login, or
// a command.
func scripts(err error, lift string) error {
	told := []string{"NOPERM", "unknown command", "called from script", "can't run this command", "can't access at least one of the keys", "ACL failure in script"}
	if !slices.ContainsFunc(told, func(text string) bool { return refused(err, text) }) {
		return err
	}
	return fmt.Errorf("%w: allow the login %s", err, lift)
}
