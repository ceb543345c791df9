package plan

import (
	"slices"
	"strconv"
	"strings"
)

// needsRestart are the directives that a running server refuses ("can't set
// immutable config"), as tried one by one on Redis 7.0.15, and
// cluster-databases of Valkey 9.
var needsRestart = map[string]bool{
	"always-show-logo": true, "aof_rewrite_cpulist": true, "appenddirname": true, "appendfilename": true,
	"bgsave_cpulist": true, "bio_cpulist": true, "cluster-databases": true, "cluster-port": true, "databases": true,
	"disable-thp": true, "enable-debug-command": true, "enable-module-command": true, "enable-protected-configs": true,
	"io-threads": true, "io-threads-do-reads": true, "rdbchecksum": true, "server_cpulist": true,
	"set-proc-title": true, "socket-mark-id": true, "supervised": true, "syslog-enabled": true,
	"syslog-facility": true, "syslog-ident": true, "tcp-backlog": true, "unixsocket": true, "unixsocketperm": true,
}

// sameValue compares a directive as written with what CONFIG GET prints, which
// is sizes in bytes, every class of buffer limits, and flags in its own order.
// What never compares equal would be set again for ever.
func sameValue(key, want, has string) bool {
	switch key {
	case "client-output-buffer-limit":
		return sameLimits(want, has)
	case "notify-keyspace-events":
		return flagSet(want) == flagSet(has)
	}
	return normal(want) == normal(has)
}

// normal is a value with its words in lower case and its sizes in bytes.
func normal(value string) string {
	words := strings.Fields(strings.ToLower(value))
	for i, word := range words {
		if n, ok := bytesOf(word); ok {
			words[i] = strconv.FormatInt(n, 10)
		}
	}
	return strings.Join(words, " ")
}

// sameLimits compares the classes that are written; the server prints all.
func sameLimits(want, has string) bool {
	class := func(text string) map[string]string {
		words := strings.Fields(strings.ReplaceAll(normal(text), "slave", "replica"))
		out := map[string]string{}
		for i := 0; i+3 < len(words); i += 4 {
			out[words[i]] = strings.Join(words[i+1:i+4], " ")
		}
		return out
	}
	live := class(has)
	for name, limits := range class(want) {
		if live[name] != limits {
			return false
		}
	}
	return true
}

// flagSet are the flags of notify-keyspace-events, sorted; A is short for the
// classes of events (redis.conf, "event notification").
func flagSet(text string) string {
	flags := []byte(strings.ReplaceAll(text, "A", "g$lshzxetd"))
	slices.Sort(flags)
	return string(slices.Compact(flags))
}

// units are those of redis.conf: k is 1000, kb is 1024.
var units = []struct {
	suffix string
	bytes  int64
}{{"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"b", 1}, {"", 1}}

// bytesOf reads a size the way redis.conf does ("2gb", "100m", "0").
func bytesOf(text string) (int64, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			return n * u.bytes, true
		}
	}
	return 0, false
}
