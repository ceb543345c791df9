package livetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Command builds the command for the tests of a package and returns its path,
// and what removes it. It ends the process when the command does not build.
func Command(flags ...string) (path string, remove func()) {
	dir, err := os.MkdirTemp("", "slotwright-command-")
	if err != nil {
		panic(err)
	}
	path = filepath.Join(dir, "slotwright")
	args := append(append([]string{"build"}, flags...), "-o", path, "github.com/slotwright/slotwright/cmd/slotwright")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s", out)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	return path, func() { os.RemoveAll(dir) }
}

// Git runs git in a directory, as somebody who may commit, and returns what it
// printed.
func Git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
