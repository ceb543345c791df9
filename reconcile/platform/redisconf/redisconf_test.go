package redisconf_test

import (
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/platform/redisconf"
)

func TestNoValueStartsASecondLine(t *testing.T) {
	var b strings.Builder
	redisconf.Line(&b, "maxmemory-policy", "noeviction\nloadmodule /evil.so", `"`, `\`)
	if got, want := b.String(), `maxmemory-policy "noeviction\x0aloadmodule /evil.so" "\"" "\\"`+"\n"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}
