package livetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestAClusterUnderTrafficLosesNothingAndSaysSo(t *testing.T) {
	f := Start(t, Options{Servers: 3})
	f.Create(t, 0)
	tr := f.Traffic(2, time.Millisecond)
	f.Write(t, 2500, 64)
	f.Read(t, 2500, 64)
	if !Eventually(10*time.Second, func() bool { return f.Keys(t) >= 2500+keysPerWriter }) {
		t.Errorf("%d keys", f.Keys(t))
	}
	f.Pause(1)
	time.AfterFunc(100*time.Millisecond, func() { f.Resume(1) })
	if err := f.Client(f.Servers[1]).Ping(context.Background()).Err(); err != nil {
		t.Error(err)
	}
	r := tr.Stop()
	if r.Writes == 0 || r.Errors != 0 || len(r.Lost) != 0 || r.P50 == 0 || r.P99 < r.P50 || r.Max < 50*time.Millisecond {
		t.Errorf("report %+v", r)
	}
}

func TestTrafficSeesALostKey(t *testing.T) {
	f := Start(t, Options{Servers: 3})
	f.Create(t, 0)
	tr := f.Traffic(1, time.Millisecond)
	Eventually(10*time.Second, func() bool { return f.Keys(t) == keysPerWriter })
	if err := f.Client(f.Servers[0]).FlushAll(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	if r := tr.Stop(); len(r.Lost) == 0 {
		t.Errorf("nothing lost after FLUSHALL: %+v", r)
	}
}

func TestAServerComesBackWithItsDataOrWithout(t *testing.T) {
	f := Start(t, Options{})
	ctx, s := context.Background(), f.Servers[0]
	c := f.Client(s)
	if err := c.ClusterAddSlotsRange(ctx, 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	f.Check(t)
	if err := c.Set(ctx, "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	f.Kill(0)
	if err := f.Client(s).Ping(ctx).Err(); err == nil {
		t.Error("a killed server answers")
	}
	f.Again(0)
	if n := f.Keys(t); n != 1 {
		t.Errorf("%d keys after the kill", n)
	}
	f.Wipe(0)
	if n := f.Keys(t); n != 0 {
		t.Errorf("%d keys after the wipe", n)
	}
}

func TestPasswordsUsersAndCertificatesAreAskedFor(t *testing.T) {
	host := ownHost()
	for name, opts := range map[string]Options{
		"password": {Password: "sesame"},
		"user":     {Username: "ali", Password: "sesame"},
		"TLS":      {TLS: NewCertificates(t, host), Password: "sesame", Host: host},
	} {
		t.Run(name, func(t *testing.T) {
			opts.Servers = 3
			f := Start(t, opts)
			f.Create(t, 0)
			f.Write(t, 10, 0)
			f.Read(t, 10, 0)
			stranger := redis.NewClient(&redis.Options{Addr: f.Servers[0].Addr, Protocol: 2, MaxRetries: -1})
			defer stranger.Close()
			if err := stranger.Ping(context.Background()).Err(); err == nil {
				t.Error("a stranger gets in")
			}
			out, err := f.CLI("-u", "redis://"+f.Servers[0].Addr, "PING")
			if name != "TLS" && (err != nil || !strings.Contains(out, "PONG")) {
				t.Errorf("redis-cli: %v %s", err, out)
			}
		})
	}
}
