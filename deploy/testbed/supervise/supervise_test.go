package supervise

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// counting is a process that leaves a line in the file each time it starts.
func counting(t *testing.T, then string) (*Process, func() int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "starts")
	p := &Process{Name: "p", Args: []string{"sh", "-c", "echo start; " + then}, Log: file}
	t.Cleanup(p.Stop)
	return p, func() int {
		content, _ := os.ReadFile(file)
		return strings.Count(string(content), "start\n")
	}
}

func TestAProcessThatEndsIsStartedAgainUntilItIsStopped(t *testing.T) {
	p, starts := counting(t, "exit 3")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "a third start", func() bool { return starts() >= 3 })
	p.Stop()
	after := starts()
	time.Sleep(3 * pause)
	if now := starts(); now != after {
		t.Errorf("%d starts after it was stopped", now-after)
	}
}

func TestAStoppedProcessIsGoneAndCanBeStarted(t *testing.T) {
	p, starts := counting(t, "exec sleep 600")
	for want := 1; want <= 2; want++ {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		await(t, "its start", func() bool { return starts() == want })
		if err := p.Start(); err != nil || starts() != want {
			t.Errorf("one that runs was started again: %v", err)
		}
		pid := p.Pid()
		p.Stop()
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			t.Errorf("after Stop: %v", err)
		}
	}
}

func TestAProcessThatCanNotStartIsAnError(t *testing.T) {
	p := &Process{Name: "p", Args: []string{"/nowhere/program"}, Log: filepath.Join(t.TempDir(), "log")}
	if err := p.Start(); err == nil || !strings.Contains(err.Error(), "start p") {
		t.Errorf("error %v", err)
	}
	if p.Pid() != 0 {
		t.Errorf("pid %d", p.Pid())
	}
	p.Stop()
}
