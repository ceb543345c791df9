// Package supervise keeps processes running: one that ends by itself is
// started again, one that was stopped stays away until it is started. It must
// not know what the processes are.
package supervise

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"sync"
	"time"
)

// pause lies between the end of a process and its next start.
const pause = 300 * time.Millisecond

// Process is one command line. The zero value with Name, Args and Log set is ready.
type Process struct {
	Name string
	Args []string // the program and what it is told
	Log  string   // the file that gets what it prints, appended

	mu     sync.Mutex
	wanted bool
	cmd    *exec.Cmd
	ended  chan struct{} // closed when cmd is reaped
}

// Start starts the process and keeps it running. One that runs is left alone.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted {
		return nil
	}
	if err := p.spawn(); err != nil {
		return err
	}
	p.wanted = true
	return nil
}

// spawn is called with the lock held.
func (p *Process) spawn() error {
	out, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	defer out.Close()
	cmd := exec.Command(p.Args[0], p.Args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended = cmd, ended
	go func() {
		err := cmd.Wait()
		close(ended)
		p.again(err)
	}()
	return nil
}

// again is what happens after the end of the process.
func (p *Process) again(end error) {
	for {
		p.mu.Lock()
		wanted := p.wanted
		p.mu.Unlock()
		if !wanted {
			return
		}
		log.Printf("%s ended (%v) and is started again", p.Name, end)
		time.Sleep(pause)
		if end = p.respawn(); end == nil {
			return
		}
	}
}

// respawn does nothing when the process was stopped meanwhile, or was stopped
// and started, so that there are never two.
func (p *Process) respawn() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
	default:
		return nil
	}
	if !p.wanted {
		return nil
	}
	return p.spawn()
}

// Stop ends the process with SIGKILL, waits until it is gone and keeps it so.
func (p *Process) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = false
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// Pid is the process's, 0 before the first start.
func (p *Process) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}
