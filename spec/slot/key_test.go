package slot_test

import (
	"strings"
	"testing"

	"github.com/slotwright/slotwright/spec/slot"
)

// 31C3 is the check value of the Redis Cluster specification (appendix A); the
// others are the answers of CLUSTER KEYSLOT of Redis 7.0.15.
func TestTheSlotOfAKeyIsTheServers(t *testing.T) {
	for key, want := range map[string]int{
		"123456789":               0x31C3 % slot.Count,
		"":                        0,
		"a":                       15495,
		"foo":                     12182,
		"bar":                     5061,
		"hello":                   866,
		"somekey":                 11058,
		"foo{hash_tag}":           2515,
		"{user1000}.following":    3443,
		"{user1000}.followers":    3443,
		"foo{}{bar}":              8363,
		"foo{{bar}}zap":           4015,
		"foo{bar}{zap}":           5061,
		"{}":                      15257,
		"{":                       4092,
		"}":                       12090,
		"{}}":                     14790,
		"é":                       10180,
		"key:000000123456":        11249,
		strings.Repeat("a", 1000): 6383,
	} {
		if got := slot.Of(key); got != want {
			t.Errorf("%.40q is in slot %d, the server says %d", key, got, want)
		}
	}
}

func TestKeysWithOneTagShareASlot(t *testing.T) {
	for _, key := range []string{"{user1}.following", "a{user1}", "{user1}{user2}", "x{user1}}y"} {
		if slot.Of(key) != slot.Of("user1") {
			t.Errorf("%q is not where user1 is", key)
		}
	}
	for _, key := range []string{"{}user1", "user1{", "}user1{", "{user1"} {
		if slot.Of(key) == slot.Of("user1") {
			t.Errorf("%q is where user1 is, but has no tag", key)
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add("{user1000}.following")
	f.Add("foo{{bar}}zap")
	f.Add("foo{}{bar}")
	f.Fuzz(func(t *testing.T, key string) {
		n := slot.Of(key)
		if n < 0 || n >= slot.Count {
			t.Fatalf("%q: slot %d", key, n)
		}
		if tag := "{" + strings.NewReplacer("{", "", "}", "").Replace(key) + "x}"; slot.Of(tag+key) != slot.Of(tag) {
			t.Errorf("%q: the tag %q doesn't decide", key, tag)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	for b.Loop() {
		slot.Of("key:000000123456")
	}
}
