package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lockWait is how long another run may hold the directory: longer than it can
// take to start or stop all nodes.
const lockWait = 90 * time.Second

// running is the process ID of a node's server, 0 when it does not run. The
// number in the pid file alone proves nothing, the system may have given it to
// another program: the process must have been started with this node's
// redis.conf. That holds for a server behind a wrapper or a loader, too.
func (h home) running(node string) (int, error) {
	text, err := os.ReadFile(h.path(node, pidFile))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return 0, nil // half written by a server that died
	}
	args, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if !slices.Contains(strings.Split(string(args), "\x00"), h.path(node, confFile)) {
		return 0, nil
	}
	return pid, nil
}

// process is a handle on a node's server, nil when it does not run. On Linux
// os.FindProcess pins the process (pidfd), so the order is: pin, then
// recognise.
func (h home) process(node string) (*os.Process, error) {
	pid, err := h.running(node)
	if err != nil || pid == 0 {
		return nil, err
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	again, err := h.running(node)
	if err != nil || again != pid {
		_ = process.Release() // only frees the handle
		return nil, err
	}
	return process, nil
}

// end asks a server to end, also one that is suspended.
func end(process *os.Process) error {
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGCONT} {
		if err := process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	return nil
}

func (h home) waitGone(ctx context.Context, node string) error {
	return poll(ctx, func() (bool, error) {
		pid, err := h.running(node)
		return pid == 0, err
	})
}

// spawn starts a node's server in a session of its own, with nothing of this
// process but a clean environment, and returns a wait for its port.
func (h home) spawn(ctx context.Context, server, node, addr string) (wait func() error, err error) {
	log, err := os.OpenFile(h.path(node, logFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(server, h.path(node, confFile))
	cmd.Dir, cmd.Stdout, cmd.Stderr = h.path(node), log, log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TZ=" + os.Getenv("TZ")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan *os.ProcessState, 1)
	go func() { // waiting also keeps a long-lived caller free of zombies
		_ = cmd.Wait() // the state says more
		ended <- cmd.ProcessState
	}()
	return func() error { return h.started(ctx, node, addr, ended, info.Size()) }, nil
}

// started waits until a server has its pid file and listens. The file alone is
// not enough: newer servers write it before they bind, and before they refuse
// a bad configuration.
func (h home) started(ctx context.Context, node, addr string, ended <-chan *os.ProcessState, logged int64) error {
	err := poll(ctx, func() (bool, error) {
		select {
		case state := <-ended:
			return false, fmt.Errorf("the server ended at once (%s): %s", state, h.tail(node, logged))
		default:
		}
		if pid, err := h.running(node); err != nil || pid == 0 {
			return false, err
		}
		conn, err := net.DialTimeout("tcp", addr, startWait)
		if err == nil {
			conn.Close()
		}
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", node, err)
	}
	return nil
}

// lock makes this run the only one that changes the cluster's directory, and
// makes the directory. The lock dies with the process; servers don't inherit
// it. A run that waits gives up when its context ends.
func (h home) lock(ctx context.Context) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(h.path(".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = poll(ctx, func() (bool, error) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			return false, nil
		}
		return err == nil, err
	})
	if err == nil {
		err = h.sweep()
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s, which another run may hold: %w", h.dir, err)
	}
	return func() { file.Close() }, nil
}
