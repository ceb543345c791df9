//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// event is a line of `apply -o json`.
type event struct {
	Event    string
	Plan     *plan
	Steps    []step
	Progress *progress
	Holds    []hold
	Error    string
}

// progress is how far a step is.
type progress struct {
	Step                        step
	Done, Total                 int
	Keys, Bytes                 int64
	LatencyMicros, WindowMicros int64
	Text                        string
}

// moving says that slots are on their way and some have arrived.
func (e event) moving() bool {
	return e.Event == "progress" && e.Progress.Step.Kind == "Move" && e.Progress.Done > 0 && e.Progress.Done < e.Progress.Total
}

// stage says that e is about a stage of steps of one kind.
func (e event) stage(what, kind string) bool {
	return e.Event == what && len(e.Steps) > 0 && e.Steps[0].Kind == kind
}

// keyByKey keeps Valkey 9 from moving slots by itself, all or nothing, so that a
// run can be caught when some have arrived: its login may not ask for it.
func keyByKey() map[string]string {
	if !strings.Contains(livetest.Program("server"), "valkey-9") {
		return nil
	}
	return map[string]string{"user": "default on nopass ~* &* +@all -cluster|migrateslots"}
}

// marksFollow says that replicas hear of half-moved slots: SETSLOT is replicated
// since Valkey 8.
func marksFollow() bool { return strings.Contains(livetest.Program("server"), "valkey") }

// running is an apply that has begun and tells what it does.
type running struct {
	t      testing.TB
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	told   strings.Builder
	stderr func() string
	cancel context.CancelFunc
}

// begin starts to apply a file. It ends with the test, or after three minutes.
func (b *bench) begin(file string, more ...string) *running {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	cmd, _, stderr := b.command(ctx, append([]string{"apply", file, "--auto-approve", "-o", "json"}, more...)...)
	cmd.Stdout = nil
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	r := &running{t: b.t, cmd: cmd, lines: bufio.NewScanner(pipe), stderr: stderr.String, cancel: cancel}
	r.lines.Buffer(nil, 1<<20)
	b.t.Cleanup(r.kill)
	return r
}

// until reads what the run tells until it tells what is waited for. It reports
// false when the run ended before.
func (r *running) until(yes func(event) bool) bool {
	r.t.Helper()
	for r.lines.Scan() {
		r.told.WriteString(r.lines.Text() + "\n")
		var e event
		if err := json.Unmarshal(r.lines.Bytes(), &e); err != nil {
			r.t.Fatalf("no event: %v: %s", err, r.lines.Text())
		}
		if yes(e) {
			return true
		}
	}
	return false
}

// reach demands that the run comes to tell what is waited for.
func (r *running) reach(what string, yes func(event) bool) {
	r.t.Helper()
	if !r.until(yes) {
		r.t.Fatalf("the run ended before %s: %v", what, r.end())
	}
}

// kill ends the run with SIGKILL, wherever it is.
func (r *running) kill() {
	if r.cmd.ProcessState == nil {
		_ = r.cmd.Process.Kill() // it may just have ended
		_ = r.cmd.Wait()         // "signal: killed" is what was asked for
	}
	r.cancel()
}

// end waits for the end of the run.
func (r *running) end() outcome {
	r.t.Helper()
	r.until(func(event) bool { return false })
	err := r.cmd.Wait()
	r.cancel()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return outcome{r.cmd.ProcessState.ExitCode(), r.told.String(), r.stderr()}
}

// ends demands an exit code.
func (r *running) ends(code int) outcome {
	r.t.Helper()
	o := r.end()
	if o.code != code {
		r.t.Fatalf("want exit %d, got %v", code, o)
	}
	return o
}
