package gitsync

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
)

// openLocal runs git upload-pack on a repository of this machine. It is the
// only place that needs git's own program, and the path, which starts with a
// slash, can't be taken for an option.
func (l line) openLocal(ctx context.Context) (session, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, errors.New("a file:// repository needs the git program, which is not installed")
	}
	if _, err := os.Stat(l.to.path); errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no such directory on this machine") // git calls it somebody else's
	}
	cmd := exec.CommandContext(ctx, git, "upload-pack", "--strict", l.to.path)
	cmd.Env = withoutGit(os.Environ())
	cmd.WaitDelay = time.Second
	stderr := &tail{}
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start git upload-pack: %w", err)
	}
	end := func() error {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil
	}
	return &pipe{in: in, out: meteredReader{out, l.meter}, stderr: stderr, end: end}, nil
}

// withoutGit drops the variables by which a caller's own git, in a hook for
// instance, would point the program at another repository.
func withoutGit(env []string) []string {
	kept := make([]string, 0, len(env))
	for _, e := range env {
		if !strings.HasPrefix(e, "GIT_") {
			kept = append(kept, e)
		}
	}
	return kept
}
