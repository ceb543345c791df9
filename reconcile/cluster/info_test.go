package cluster

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/info/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestInfoOfACapturedServer(t *testing.T) {
	got, err := ParseInfo(read(t, "redis-7.0-master.txt") + "\r\ncluster_state:ok\r\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Info{
		Keys: 3, Filled: []int{0}, Offset: 107, Ready: true,
		Memory: Memory{Used: 1897248, RSS: 7704576, Dataset: 269532, System: 25276502016, Policy: "noeviction"},
		Server: Server{Name: "redis", Version: "7.0.15", Databases: 1},
	}
	got.History = History{} // see TestWhoseDataAMasterHas
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestInfoOfACapturedReplica(t *testing.T) {
	got, err := ParseInfo(read(t, "redis-7.0-replica.txt"))
	if err != nil {
		t.Fatal(err)
	}
	master, err := ParseInfo(read(t, "redis-7.0-master.txt"))
	if err != nil || !master.Has(&got) {
		t.Errorf("the master's history is %+v, %v", master.History, err)
	}
	if !got.Linked || got.Offset != 107 || got.Keys != 3 || got.Ready {
		t.Errorf("got %+v", got)
	}
}

func TestInfoFields(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		ok   func(Info) bool
	}{
		"keys are unknown without a Keyspace section": {"# Server\r\nredis_version:7.2.1\r\n", func(i Info) bool { return i.Keys == Unknown }},
		"an empty Keyspace section is no key":         {"# Keyspace\r\n", func(i Info) bool { return i.Keys == 0 }},
		"keys of every database count": {
			"# Keyspace\r\ndb0:keys=2,expires=0,avg_ttl=0\r\ndb3:keys=5,expires=0,avg_ttl=0,keys_with_volatile_items=0\r\n",
			func(i Info) bool { return i.Keys == 7 && i.Server.Databases == 4 },
		},
		"key sizes are no databases": {
			"# Keyspace\r\ndb0:keys=2,expires=0\r\n# Keysizes\r\ndb0_distrib_strings_sizes:1=9,2=3\r\n",
			func(i Info) bool { return i.Keys == 2 },
		},
		"Valkey also says a Redis version": {
			"redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n",
			func(i Info) bool { return i.Server == Server{Name: "valkey", Version: "9.1.2", Databases: 1} },
		},
		"a replica whose link is down": {
			"role:slave\r\nmaster_link_status:down\r\nmaster_sync_in_progress:0\r\nslave_repl_offset:7\r\nmaster_repl_offset:9\r\n",
			func(i Info) bool { return !i.Linked && i.Offset == 7 },
		},
		"a replica that is syncing": {
			"role:slave\r\nmaster_link_status:up\r\nmaster_sync_in_progress:1\r\n",
			func(i Info) bool { return !i.Linked && i.Offset == Unknown },
		},
		"a replica in sync": {
			"role:slave\r\nmaster_link_status:up\r\nmaster_sync_in_progress:0\r\nslave_repl_offset:-1\r\n",
			func(i Info) bool { return i.Linked && i.Offset == Unknown },
		},
		"a master's stale link says nothing": {
			"role:master\r\nmaster_link_status:up\r\nmaster_repl_offset:9\r\n",
			func(i Info) bool { return !i.Linked && i.Offset == 9 },
		},
		"loading":                    {"loading:1\r\n", func(i Info) bool { return i.Loading }},
		"a cluster that is down":     {"cluster_state:fail\r\n", func(i Info) bool { return !i.Ready }},
		"a size that wrapped around": {"used_memory_dataset:18446744073709551000\r\n", func(i Info) bool { return i.Memory.Dataset == Unknown }},
		"a limit":                    {"maxmemory:1048576\r\nmaxmemory_policy:allkeys-lru\r\n", func(i Info) bool { return i.Memory.Max == 1<<20 && i.Memory.Policy == "allkeys-lru" }},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseInfo(c.text)
			if err != nil {
				t.Fatal(err)
			}
			if !c.ok(got) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestWhoseDataAMasterHas(t *testing.T) {
	master := Info{Offset: 90, History: History{ID: "new", Former: "old", Until: 50}}
	for name, c := range map[string]struct {
		id     string
		offset int64
		has    bool
	}{
		"its own stream":                  {"new", 90, true},
		"further than the master":         {"new", 91, false},
		"before its promotion":            {"old", 49, true},
		"beyond its promotion":            {"old", 50, false},
		"another's":                       {"other", 1, false},
		"no stream told":                  {"", 1, false},
		"its own stream, no offset known": {"new", Unknown, false},
	} {
		if got := master.Has(&Info{Offset: c.offset, History: History{ID: c.id}}); got != c.has {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestNumbersThatDecideNeverPassForZero(t *testing.T) {
	for _, text := range []string{
		"# Keyspace\r\ndb0:keys=,expires=0\r\n",
		"# Keyspace\r\ndb0:keys=-1\r\n",
		"# Keyspace\r\ndb0:expires=0,keys=4\r\n",
		"# Keyspace\r\ndb0:keys=99999999999999999999\r\n",
		"maxmemory:lots\r\n",
	} {
		if _, err := ParseInfo(text); err == nil || !strings.Contains(err.Error(), strings.Split(strings.TrimSpace(text), "\r\n")[strings.Count(text, "\r\n")-1]) {
			t.Errorf("%q: error %v does not show the line", text, err)
		}
	}
}

func FuzzParseInfo(f *testing.F) {
	f.Add("# Keyspace\r\ndb0:keys=2,expires=0,avg_ttl=0\r\n")
	f.Add("role:slave\r\nmaster_link_status:up\r\nslave_repl_offset:7\r\nloading:0\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		info, err := ParseInfo(text)
		if err != nil && !reflect.DeepEqual(info, Info{}) {
			t.Fatal("something came back with an error")
		}
		if info.Keys < Unknown || info.Memory.Used < Unknown || info.Offset < Unknown {
			t.Fatalf("a negative count: %+v", info)
		}
	})
}
