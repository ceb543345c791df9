package bed

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slotwright/slotwright/deploy/testbed/supervise"
)

// Order tells the process that supervises the testbed to do a deed, such as
// "stop", to a kind of thing, such as "node", of that name.
func (b Bed) Order(ctx context.Context, kind, deed, name string) error {
	if err := b.supervised(); err != nil {
		return err
	}
	// A socket's path may have 108 characters only; this one is short in its directory.
	if err := os.Chdir(b.Dir); err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	target := "http://testbed/" + kind + "/" + deed + "?" + url.Values{"name": {name}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s %s: %w", deed, kind, name, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s %s: %s", deed, kind, name, strings.TrimSpace(string(text)))
	}
	return err
}

const socket = "control"

// listen obeys orders until the context ends.
func (r *running) listen(ctx context.Context) error {
	if err := os.Chdir(r.Dir); err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		kind, deed, _ := strings.Cut(strings.Trim(q.URL.Path, "/"), "/")
		if err := r.obey(q.Context(), kind, deed, q.URL.Query().Get("name")); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		}
	})}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	return server.Serve(listener)
}

func (r *running) obey(ctx context.Context, kind, deed, name string) error {
	switch kind {
	case "apiserver", "etcd", "controllers", "scheduler":
		return r.switchPlane(ctx, kind, deed)
	case "node":
		return r.withMachine(name, deed, (*machine).on, (*machine).off)
	case "kubelet":
		return r.withMachine(name, deed, (*machine).kubeletOn, (*machine).kubeletOff)
	case "pod":
		return r.plugPod(ctx, deed, name)
	case "image":
		return r.loadImage(name)
	}
	return fmt.Errorf("there is no %q here", kind)
}

func (r *running) switchPlane(ctx context.Context, kind, deed string) error {
	process := r.plane[map[string]string{"apiserver": apiServer, "etcd": etcd, "controllers": controllers, "scheduler": scheduler}[kind]]
	if deed == "stop" {
		// A server asked politely to end waits for its watches, up to a minute.
		process.Stop()
		return nil
	}
	if err := process.Start(); err != nil || kind != "apiserver" {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return retry(ctx, r.answers)
}

func (r *running) withMachine(name, deed string, on, off func(*machine) error) error {
	m, ok := r.machines[name]
	if !ok {
		return fmt.Errorf("there is no node %q", name)
	}
	if deed == "stop" {
		return off(m)
	}
	return on(m)
}

func (m *machine) kubeletOn() error {
	return m.withKubelet((*supervise.Process).Start)
}

func (m *machine) kubeletOff() error {
	return m.withKubelet(func(p *supervise.Process) error { p.Stop(); return nil })
}

func (m *machine) withKubelet(do func(*supervise.Process) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kubelet == nil {
		return fmt.Errorf("node %s is switched off", m.node.Name)
	}
	return do(m.kubelet)
}

// plugPod finds the pod's processes by the control group the kubelet named
// after the pod's UID.
func (r *running) plugPod(ctx context.Context, deed, name string) error {
	namespace, pod, ok := strings.Cut(name, "/")
	if !ok {
		return fmt.Errorf("%q is not NAMESPACE/POD", name)
	}
	seen, err := r.client.CoreV1().Pods(namespace).Get(ctx, pod, meta.GetOptions{})
	if err != nil {
		return err
	}
	pids, err := r.tree.Pids(r.Group)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(pids, func(pid int) bool { return ofPod(pid, string(seen.UID)) })
	if at < 0 {
		return fmt.Errorf("pod %s has no process", name)
	}
	return plug(pids[at], deed == "join")
}

func ofPod(pid int, uid string) bool {
	groups, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	return err == nil && strings.Contains(string(groups), "/pod"+uid)
}

func (r *running) loadImage(entry string) error {
	archive, err := r.packImage(entry)
	if err != nil {
		return err
	}
	for _, m := range r.machines {
		m.mu.Lock()
		if m.space != nil {
			err = m.load(archive)
		}
		m.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}
