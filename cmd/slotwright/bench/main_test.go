//go:build bench

// Package bench measures the built command against real servers, side by side
// with what people would use instead, and prints one table. It judges no
// correctness beyond what makes a figure worth printing, and a missed bar is a
// line in the table, not a failure: a busy machine is no bug.
package bench

import (
	"fmt"
	"os"
	"testing"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

var (
	binary  string
	results table
)

func TestMain(m *testing.M) {
	path, remove := livetest.Command()
	binary = path
	before := machine()
	code := m.Run()
	remove()
	fmt.Printf("\nBefore: %s\nAfter: %s\n\n%s", before, machine(), &results)
	os.Exit(code)
}
