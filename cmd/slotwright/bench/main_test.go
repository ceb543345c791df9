//go:build bench

// Package bench measures the built command against real servers, side by side
// with what people would use instead, and prints one table. It judges no
// correctness beyond what makes a figure worth printing, and a missed bar is a
// line in the table, not a failure: a busy machine is no bug.
package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var (
	binary  string
	results table
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "slotwright-bench-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "slotwright")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/slotwright/slotwright/cmd/slotwright").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s", out)
		os.Exit(1)
	}
	before := machine()
	code := m.Run()
	os.RemoveAll(dir)
	fmt.Printf("\nBefore: %s\nAfter: %s\n\n%s", before, machine(), &results)
	os.Exit(code)
}
