package kube

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// inPod is what a pod has, in a directory, with a real server on a port of its
// own.
type inPod struct {
	*testing.T
	dir, host, port, bus string
	env                  []string
}

func (p *inPod) freePort() string {
	p.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(p.host, "0"))
	if err != nil {
		p.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func newPod(t *testing.T, env ...string) *inPod {
	t.Helper()
	p := &inPod{T: t, dir: t.TempDir(), host: fmt.Sprintf("127.75.%d.%d", os.Getpid()>>7&255, 1+os.Getpid()&127), env: env}
	p.port, p.bus = p.freePort(), p.freePort()
	for _, name := range []string{"conf", "password", "run", "data"} {
		if err := os.Mkdir(filepath.Join(p.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	here := strings.NewReplacer("/run/slotwright", p.dir+"/run", "/slotwright/", p.dir+"/", "/data", p.dir+"/data", "-p 6379", "-h "+p.host+" -p "+p.port)
	files, err := filepath.Glob("scripts/*.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p.write("conf/"+filepath.Base(file), here.Replace(string(text)))
	}
	p.write("conf/redis.conf", fmt.Sprintf("bind %s\nport %s\ndir %s/data\nsave \"\"\n", p.host, p.port, p.dir))
	return p
}

func (p *inPod) write(name, text string) {
	p.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
}

func (p *inPod) script(name string) *exec.Cmd {
	c := exec.Command("sh", filepath.Join(p.dir, "conf", name))
	c.Env = append(append(os.Environ(), "POD_IP="+p.host, "POD_HOST=pod.example"), p.env...)
	return c
}

// start runs start.sh until the pod is ready. The server ends with the test.
func (p *inPod) start() *exec.Cmd {
	p.Helper()
	c := p.script("start.sh")
	var log strings.Builder
	c.Stdout, c.Stderr, c.SysProcAttr = &log, &log, &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait()
		if p.Failed() {
			p.Logf("the server said:\n%s", log.String())
		}
	})
	p.probes("ready", func() bool { return p.script("ready.sh").Run() == nil })
	return c
}

// probes runs the readiness probe until yes, as a kubelet does.
func (p *inPod) probes(what string, yes func() bool) {
	p.Helper()
	for end := time.Now().Add(time.Minute); !yes(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("not in time: %s", what)
		}
		_ = p.script("ready.sh").Run()
	}
}

// asks sends a command with a password and gives the answer.
func (p *inPod) asks(user, password string, args ...string) string {
	p.Helper()
	c := exec.Command("redis-cli", append([]string{"--no-auth-warning", "--user", user, "-h", p.host, "-p", p.port}, args...)...)
	c.Env = append(os.Environ(), "REDISCLI_AUTH="+password)
	out, err := c.Output()
	if err != nil {
		p.Logf("redis-cli: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func (p *inPod) accepts(user, password string) bool {
	p.Helper()
	return p.asks(user, password, "PING") == "PONG"
}

func TestAPodTakesInAChangedPasswordAndLetsTheOldOneInForAWhile(t *testing.T) {
	for user, env := range map[string][]string{"default": nil, `o"ps`: {`SLOTWRIGHT_USER=o"ps`}} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			const first, second = `one "1" \`, `two >'2' $(x) \\`
			p := newPod(t, append(env, "SECRET_SECONDS=5")...)
			p.write("password/password", first+"\r\n")
			p.start()
			if !p.accepts(user, first) || p.accepts(user, second) {
				t.Fatal("at first it does not accept just the password of the Secret")
			}
			p.write("password/password", second+"\n")
			p.probes("the new password is accepted", func() bool { return p.accepts(user, second) })
			if !p.accepts(user, first) {
				t.Error("the old one was dropped before others could have the new one")
			}
			if got := p.asks(user, second, "CONFIG", "GET", "masterauth"); !strings.HasSuffix(got, "\n"+first) {
				t.Errorf("it logs in to others with a password that they may not have yet: %q", got)
			}
			p.probes("the old one is dropped", func() bool { return !p.accepts(user, first) })
			if !p.accepts(user, second) || p.script("ready.sh").Run() != nil {
				t.Error("with the new password alone it is not ready")
			}
			if got := p.asks(user, second, "CONFIG", "GET", "masterauth"); !strings.HasSuffix(got, "\n"+second) {
				t.Errorf("it logs in to others with the old password: %q", got)
			}
		})
	}
}

func TestAPodStaysReadyWhenSomebodyElseSetTheNewPassword(t *testing.T) {
	p := newPod(t)
	p.write("password/password", "one")
	p.start()
	if got := p.asks("default", "one", "CONFIG", "SET", "requirepass", "two"); got != "OK" {
		t.Fatal(got)
	}
	if p.script("ready.sh").Run() == nil {
		t.Error("it is ready, and nobody knows its password")
	}
	p.write("password/password", "two")
	p.probes("it is ready again", func() bool { return p.script("ready.sh").Run() == nil })
}

// certified makes a pod's server one that wants certificates.
func (p *inPod) certified(c *livetest.Certificates) {
	p.Helper()
	for name, from := range map[string]string{"ca.crt": c.CA, "tls.crt": c.Cert, "tls.key": c.Key} {
		text, err := os.ReadFile(from)
		if err != nil {
			p.Fatal(err)
		}
		p.write("tls/"+name, string(text))
	}
}

func TestAPodTakesInChangedCertificates(t *testing.T) {
	p := newPod(t)
	if err := os.Mkdir(filepath.Join(p.dir, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.write("conf/redis.conf", fmt.Sprintf("bind %s\nport 0\ntls-port %s\ndir %s/data\nsave \"\"\ntls-ca-cert-file %[3]s/tls/ca.crt\ntls-cert-file %[3]s/tls/tls.crt\ntls-key-file %[3]s/tls/tls.key\n",
		p.host, p.port, p.dir))
	first, second := livetest.NewCertificates(t, p.host), livetest.NewCertificates(t, p.host)
	p.certified(first)
	p.start()
	accepts := func(c *livetest.Certificates) bool {
		conn, err := tls.Dial("tcp", net.JoinHostPort(p.host, p.port), c.Client)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
	if !accepts(first) || accepts(second) {
		t.Fatal("at first it does not have just the certificates of the Secret")
	}
	p.certified(second)
	p.probes("it has the new certificates", func() bool { return accepts(second) })
	p.probes("it is ready with them", func() bool { return p.script("ready.sh").Run() == nil })

	third := livetest.NewCertificates(t, p.host)
	p.certified(third)
	set := []string{"CONFIG", "SET"} // as a probe that ends before it notes so
	for name, file := range map[string]string{"ca-cert": "ca.crt", "cert": "tls.crt", "key": "tls.key"} {
		set = append(set, "tls-"+name+"-file", filepath.Join(p.dir, "tls", file))
	}
	if got := p.asks("default", "", append([]string{"--tls", "--cacert", second.CA, "--cert", second.Cert, "--key", second.Key}, set...)...); got != "OK" {
		t.Fatal(got)
	}
	if err := p.script("ready.sh").Run(); err != nil {
		t.Errorf("it has the certificates of the Secret, and is not ready: %v", err)
	}
}

func TestAReplicaIsReadyOnceItHasItsMastersData(t *testing.T) {
	master, replica := newPod(t), newPod(t)
	master.start()
	replica.start()
	replica.asks("default", "", "REPLICAOF", master.host, replica.bus) // nobody listens there
	if replica.script("ready.sh").Run() == nil {
		t.Error("it is ready, and has nothing of its master's")
	}
	replica.asks("default", "", "REPLICAOF", master.host, master.port)
	replica.probes("it is ready", func() bool { return replica.script("ready.sh").Run() == nil })
	if got := replica.asks("default", "", "INFO", "replication"); !strings.Contains(got, "master_link_status:up") {
		t.Errorf("it is ready, and not in sync: %s", got)
	}
}

// clustered makes a pod's server one of a cluster, which lets a replica wait for a
// while before it gets its data.
func clustered(t *testing.T) *inPod {
	t.Helper()
	// Of a cluster whose name is a word of nodes.conf, in which names of hosts are.
	p := newPod(t, "SECONDS_LEFT=60", "POD_HOST=myself-a-0.myself-nodes.data.svc")
	text, err := os.ReadFile(filepath.Join(p.dir, "conf/redis.conf"))
	if err != nil {
		t.Fatal(err)
	}
	p.write("conf/redis.conf", string(text)+"cluster-enabled yes\ncluster-port "+p.bus+"\nrepl-diskless-sync yes\nrepl-diskless-sync-delay 5\nreplica-announce-ip "+p.host+"\n")
	p.start()
	return p
}

func TestAMasterThatEndsWaitsForAReplicaThatIsGettingItsData(t *testing.T) {
	master, replica := clustered(t), clustered(t)
	ask := func(p *inPod, args ...string) string { p.Helper(); return p.asks("default", "", args...) }
	ask(master, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	ask(replica, "CLUSTER", "MEET", master.host, master.port, master.bus)
	id := ask(master, "CLUSTER", "MYID")
	replica.probes("it follows", func() bool { return ask(replica, "CLUSTER", "REPLICATE", id) == "OK" })
	master.probes("it waits for data", func() bool { return strings.Contains(ask(master, "INFO", "replication"), "state=wait_bgsave") })
	if err := master.script("leave.sh").Run(); err != nil {
		t.Error(err)
	}
	if got := ask(replica, "CLUSTER", "NODES"); !strings.Contains(got, "myself,master") {
		t.Errorf("nothing was handed over:\n%s", got)
	}
}

// Its replicas agree and never take over, as when nobody else is there to vote.
func TestAHandOverThatComesToNothingLeavesTheServerItsTime(t *testing.T) {
	p := newPod(t, "SECONDS_LEFT=13")
	p.write("redis-cli", `#!/bin/sh
case "$*" in
*"CLUSTER NODES") echo "a 10.0.0.1:6379@16379,h myself,master - 0 0 1 connected 0-100" ;;
*"INFO replication") for i in 0 1 2; do echo "slave$i:ip=10.0.0.2,port=6379,state=online,offset=10,lag=0"; done ;;
*"CLUSTER FAILOVER") echo OK && echo asked >>"`+p.dir+`/asked" ;;
esac
`)
	if err := os.Chmod(filepath.Join(p.dir, "redis-cli"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := p.script("leave.sh")
	c.Env = append(c.Env, "PATH="+p.dir+":"+os.Getenv("PATH"))
	begin := time.Now()
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if long := time.Since(begin); long > 10*time.Second {
		t.Errorf("of 13 seconds it took %s", long)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "asked")); err != nil {
		t.Error(err)
	}
}

// waitsFor starts a server that waits until another has taken over.
func (p *inPod) waitsFor(replica *inPod) *exec.Cmd {
	p.Helper()
	p.write("log", "")
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_WRONLY, 0)
	if err != nil {
		p.Fatal(err)
	}
	defer log.Close()
	c := p.script("start.sh")
	c.Stdout, c.SysProcAttr = log, &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL); _ = c.Wait() })
	p.probes("it waits for the replica to take over", func() bool {
		text, err := os.ReadFile(log.Name())
		return err == nil && strings.Contains(string(text), "waiting until one takes over that has it: "+net.JoinHostPort(replica.host, replica.port))
	})
	return c
}

// It has taken over a moment ago, and knows nobody who follows it.
func TestAMasterWithoutItsKeysWaitsForTheReplicaThatHasThem(t *testing.T) {
	master, replica := clustered(t), clustered(t)
	ask := func(p *inPod, args ...string) string { p.Helper(); return p.asks("default", "", args...) }
	ask(master, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	master.probes("it has a key", func() bool { return ask(master, "SET", "key", "value") == "OK" })
	ask(replica, "CLUSTER", "MEET", master.host, master.port, master.bus)
	id := ask(master, "CLUSTER", "MYID")
	replica.probes("it follows", func() bool { return ask(replica, "CLUSTER", "REPLICATE", id) == "OK" })
	replica.probes("it has the key", func() bool { return ask(replica, "DBSIZE") == "1" })
	ask(master, "SHUTDOWN", "NOSAVE")
	file := filepath.Join(master.dir, "data/nodes.conf")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	knows := strings.ReplaceAll(string(text), " slave "+id+" ", " master - ")
	master.write("data/nodes.conf", knows)
	c := master.waitsFor(replica)
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _ = c.Wait(); c.ProcessState.ExitCode() != 143 { // no signal kills the first process of a container
		t.Errorf("told to end while it waited, it ended with %v", c.ProcessState)
	}
	master.waitsFor(replica)
	ask(replica, "CLUSTER", "FAILOVER", "TAKEOVER")
	master.probes("it follows and has the key", func() bool { return ask(master, "DBSIZE") == "1" })
}

func TestAPodThatIsToldToEndEndsItsServer(t *testing.T) {
	p := newPod(t)
	c := p.start()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if state, err := c.Process.Wait(); err != nil || state.ExitCode() != 0 {
		t.Errorf("it ended with %v, %v", state, err)
	}
	if p.accepts("default", "") {
		t.Error("its server goes on")
	}
}

// A server may have keys in several databases, and only one that follows the lost
// master is waited for.
func TestOnlyAFollowerWithKeysIsWaitedFor(t *testing.T) {
	text, err := os.ReadFile("scripts/start.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nfollower() {")
	body, _, found := strings.Cut(rest, "\n}\n")
	if !found {
		t.Fatal("there is no follower")
	}
	const node, keys = "b 10.0.0.2:6379@16379,h myself,", "db0:keys=1,expires=0\ndb3:keys=2,expires=0\n"
	for answer, want := range map[string]string{
		node + "slave a 0 0 1 connected\n" + keys:          "10.0.0.2:6379\n",
		node + "slave a 0 0 1 connected\n":                 "",
		node + "slave c 0 0 1 connected\n" + keys:          "",
		node + "master - 0 0 1 connected 0-16383\n" + keys: "",
		"": "",
	} {
		c := exec.Command("sh", "-euc", "id=a\nask() { cat >/dev/null; printf %s \"$ANSWER\"; }\nfollower() {"+body+"\n}\nfollower 10.0.0.2:6379")
		c.Env = append(os.Environ(), "ANSWER="+answer)
		if out, err := c.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("%q: %q, %v", answer, out, err)
		}
	}
}
