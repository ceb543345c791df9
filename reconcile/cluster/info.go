package cluster

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseInfo reads the replies to INFO and CLUSTER INFO, one after the other in
// one text or only one of them. Fields it does not know are skipped; what it
// does not find or can't read is Unknown, false or empty. A number of keys or a
// maxmemory that does not read as a number is an error: it decides what may be
// removed or moved and must never pass for zero.
//
// The config, Borrowed and the databases of Server (Valkey 9 and newer:
// cluster-databases) come from CONFIG GET. Server.Databases is here as many as
// the keyspace shows, at least 1.
func ParseInfo(text string) (Info, error) {
	r := infoReader{
		info: Info{
			Keys: Unknown, Offset: Unknown,
			Memory: Memory{Used: Unknown, RSS: Unknown, Dataset: Unknown},
			Server: Server{Databases: 1},
		},
		offsets: map[string]int64{},
	}
	for row := range strings.SplitSeq(text, "\n") {
		row = strings.TrimRight(row, "\r")
		if row == "# Keyspace" { // printed also when no database has a key
			r.info.Keys = max(r.info.Keys, 0)
			continue
		}
		if name, value, ok := strings.Cut(row, ":"); ok {
			if err := r.field(name, value); err != nil {
				return Info{}, fmt.Errorf("%q: %w", clip(row), err)
			}
		}
	}
	return r.done(), nil
}

type infoReader struct {
	info    Info
	role    string
	linkUp  bool
	redis   string // redis_version; Valkey prints it too, for clients that look for it
	offsets map[string]int64
}

func (r *infoReader) field(name, value string) (err error) {
	m := &r.info.Memory
	switch name {
	case "redis_version":
		r.redis = value
	case "valkey_version":
		r.info.Server.Name, r.info.Server.Version = "valkey", value
	case "loading":
		r.info.Loading = value != "0"
	case "role":
		r.role = value
	case "master_link_status":
		r.linkUp = value == "up"
	case "master_sync_in_progress":
		r.info.Syncing = value != "0"
	case "master_repl_offset", "slave_repl_offset":
		r.offsets[name] = measured(value)
	case "master_replid":
		r.info.History.ID = value
	case "master_replid2":
		r.info.History.Former = value
	case "second_repl_offset":
		r.info.History.Until = measured(value)
	case "used_memory":
		m.Used = measured(value)
	case "used_memory_rss":
		m.RSS = measured(value)
	case "used_memory_dataset":
		m.Dataset = measured(value)
	case "maxmemory":
		m.Max, err = number(value)
	case "total_system_memory":
		m.System = max(measured(value), 0)
	case "maxmemory_policy":
		m.Policy = value
	case "cluster_state":
		r.info.Ready = value == "ok"
	default:
		if index, ok := databaseIndex(name); ok {
			return r.database(index, value)
		}
	}
	return err
}

// databaseIndex is the n of dbn. Names such as db0_distrib_strings_sizes (Redis
// 8) are not databases.
func databaseIndex(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, "db")
	n, err := strconv.ParseUint(digits, 10, 16)
	return int(n), ok && err == nil
}

// database adds up keys=N,expires=...: Valkey 9 has several databases in
// cluster mode, and a node is empty only when all of them are.
func (r *infoReader) database(index int, value string) error {
	first, _, _ := strings.Cut(value, ",")
	digits, ok := strings.CutPrefix(first, "keys=")
	if !ok {
		return fmt.Errorf("keys= is missing")
	}
	keys, err := number(digits)
	if err != nil {
		return err
	}
	r.info.Keys = max(r.info.Keys, 0) + keys
	if keys > 0 {
		r.info.Filled = append(r.info.Filled, index)
	}
	r.info.Server.Databases = max(r.info.Server.Databases, index+1)
	return nil
}

func (r *infoReader) done() Info {
	if r.info.Server.Name == "" && r.redis != "" {
		r.info.Server.Name, r.info.Server.Version = "redis", r.redis
	}
	offset := "master_repl_offset"
	if r.role == "slave" {
		offset = "slave_repl_offset"
		r.info.Linked = r.linkUp && !r.info.Syncing
	}
	if n, ok := r.offsets[offset]; ok {
		r.info.Offset = n
	}
	return r.info
}

// Unready reads INFO modules: the modules that do not say that they support
// atomic slot migration. A server with one of them loaded refuses to send and to
// take slots so (module.c, moduleVerifyAllAllowAtomicSlotMigrationOrReply).
func Unready(text string) []string {
	var out []string
	for row := range strings.SplitSeq(text, "\n") {
		fields, ok := strings.CutPrefix(row, "module:name=")
		if name, rest, _ := strings.Cut(fields, ","); ok && !strings.Contains(rest, "handle-atomic-slot-migration") {
			out = append(out, name)
		}
	}
	return out
}

func number(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a count", clip(text))
	}
	return n, nil
}

// measured is a number that is Unknown rather than an error when it can't be
// read: servers print some sizes as unsigned differences.
func measured(text string) int64 {
	n, err := number(text)
	if err != nil {
		return Unknown
	}
	return n
}
