package livetest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// CPU is how much processor time the running servers have taken since they
// started. On a busy machine it says more than the time on the wall. It needs
// Linux: utime and stime of proc(5), in hundredths of a second.
func (f *Fleet) CPU() time.Duration {
	f.t.Helper()
	var ticks int
	for _, s := range f.running() {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
		if err != nil {
			f.t.Fatal(err)
		}
		// The second field is the program's name in brackets, and may hold anything.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, field := range fields[11:13] {
			n, err := strconv.Atoi(field)
			if err != nil {
				f.t.Fatal(err)
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
