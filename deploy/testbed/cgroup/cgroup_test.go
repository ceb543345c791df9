package cgroup

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const (
	version1 = `proc /proc proc rw 0 0
tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
`
	version2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n"
)

func TestTheTreeThatTracksProcessesIsFoundInBothVersions(t *testing.T) {
	for name, c := range map[string]struct {
		mounts, procs string
		trees         int
	}{
		"version 1 with the empty tree of version 2 beside": {version1, "/sys/fs/cgroup/pids/bed/k1/cgroup.procs", 4},
		"version 2": {version2, "/sys/fs/cgroup/bed/k1/cgroup.procs", 1},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := parse(c.mounts)
			if err != nil {
				t.Fatal(err)
			}
			if procs := h.Procs("bed/k1"); procs != c.procs || len(h.roots) != c.trees {
				t.Errorf("procs %s of trees %v", procs, h.roots)
			}
		})
	}
	if _, err := parse("proc /proc proc rw 0 0\n"); err == nil {
		t.Error("a machine without control groups passes")
	}
}

// plain is a tree of ordinary files, in which groups hold what was written there.
func plain(t *testing.T) Hierarchies {
	root := t.TempDir()
	return Hierarchies{roots: []string{root, t.TempDir()}, tracking: root}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestANewGroupMayUseItsParentsProcessors(t *testing.T) {
	h := plain(t)
	if err := h.Create("bed"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(h.tracking, "bed", "cpuset.cpus"), "0-1\n")
	if err := os.Mkdir(filepath.Join(h.tracking, "bed", "k1"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(h.tracking, "bed", "k1", "cpuset.cpus"), "\n")
	if err := h.Create("bed/k1/system"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(h.tracking, "bed", "k1", "cpuset.cpus"))
	if string(got) != "0-1\n" {
		t.Errorf("processors %q, %v", got, err)
	}
	for _, root := range h.roots {
		if _, err := os.Stat(filepath.Join(root, "bed", "k1", "system")); err != nil {
			t.Error(err)
		}
	}
}

func TestAGroupCountsForAsManyProcessesAsItIsSaid(t *testing.T) {
	for file, c := range map[string]struct {
		v2   bool
		want string
	}{"cpu.shares": {false, "8192"}, "cpu.weight": {true, "800"}} {
		h := plain(t)
		h.v2 = c.v2
		if err := h.Create("bed"); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(h.roots[0], "bed", file)
		write(t, path, "x")
		if err := h.Weigh("bed", 8); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); string(got) != c.want {
			t.Errorf("%s is %q, %v", file, got, err)
		}
	}
}

func TestProcessesOfGroupsBelowAreCountedAndThoseBesideAreNot(t *testing.T) {
	h := plain(t)
	for group, pids := range map[string]string{"bed": "", "bed/k1": "7\n0\n", "bed/k1/pod": "9\n", "bed2": "11\n"} {
		if err := h.Create(group); err != nil {
			t.Fatal(err)
		}
		write(t, h.Procs(group), pids)
	}
	pids, err := h.Pids("bed")
	if err != nil || !slices.Equal(pids, []int{7, 9}) {
		t.Errorf("pids %v, %v", pids, err)
	}
	if pids, err := h.Pids("nothing"); len(pids) != 0 || err != nil {
		t.Errorf("a group that is gone: %v, %v", pids, err)
	}
}

func TestWhatOutlivesAKillIsAnError(t *testing.T) {
	h := plain(t)
	if err := h.Create("bed"); err != nil {
		t.Fatal(err)
	}
	sleeper := exec.Command("sleep", "600")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	// Nobody takes it out of the file, so it seems to live on.
	write(t, h.Procs("bed"), strconv.Itoa(sleeper.Process.Pid))
	if err := h.Kill("bed", 100*time.Millisecond); err == nil {
		t.Error("a process that stays is not told")
	}
	if err := sleeper.Wait(); err == nil {
		t.Error("it was not killed")
	}
	write(t, h.Procs("bed"), "")
	if err := h.Kill("bed", time.Minute); err != nil {
		t.Error(err)
	}
}

func TestAllGroupsOfTheMachineAreNotOne(t *testing.T) {
	h := plain(t)
	sleeper := exec.Command("sleep", "600")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	write(t, h.Procs(""), strconv.Itoa(sleeper.Process.Pid))
	for _, group := range []string{"", ".", "./", "bed/..", "..", "/"} {
		if err := h.Kill(group, 50*time.Millisecond); err == nil {
			t.Errorf("Kill(%q) passes", group)
		}
		if err := h.Remove(group, 50*time.Millisecond); err == nil {
			t.Errorf("Remove(%q) passes", group)
		}
	}
	if err := sleeper.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the process was ended: %v", err)
	}
	if err := sleeper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := sleeper.Wait(); err == nil {
		t.Error("it ended by itself")
	}
}

func TestAGroupIsRemovedWithAllBelowAndOneInUseIsTold(t *testing.T) {
	h := plain(t)
	if err := h.Create("bed/k1/pod"); err != nil {
		t.Fatal(err)
	}
	held := filepath.Join(h.tracking, "bed", "k1", "held")
	write(t, held, "")
	if err := h.Remove("bed", 50*time.Millisecond); err == nil {
		t.Error("a group that can't be removed is not told")
	}
	if err := os.Remove(held); err != nil {
		t.Fatal(err)
	}
	if err := h.Remove("bed", time.Minute); err != nil {
		t.Error(err)
	}
	for _, root := range h.roots {
		if _, err := os.Stat(filepath.Join(root, "bed")); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", root, err)
		}
	}
}
