//go:build bench

package bench

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// table is what is printed at the end, as Markdown.
type table struct {
	rows    []*row
	remarks []string
}

// row is one kind of work. With -count more than 1 there are several samples of
// each figure, and the median counts.
type row struct {
	work  string
	peer  string // what is compared with, "" for nothing
	bar   bar
	ours  []time.Duration
	peers []time.Duration
}

// bar is what must be reached: a multiple of the peer's speed, or a time.
type bar struct {
	speed float64
	time  time.Duration
}

// row finds the row of a work, or begins it.
func (t *table) row(work, peer string, b bar) *row {
	for _, r := range t.rows {
		if r.work == work && r.peer == peer {
			return r
		}
	}
	r := &row{work: work, peer: peer, bar: b}
	t.rows = append(t.rows, r)
	return r
}

// remark adds a line below the table.
func (t *table) remark(format string, args ...any) {
	t.remarks = append(t.remarks, fmt.Sprintf(format, args...))
}

func (t *table) String() string {
	var b strings.Builder
	b.WriteString("| work | slotwright | peer | speed | bar | |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, r := range t.rows {
		if len(r.ours)+len(r.peers) > 0 {
			fmt.Fprintln(&b, r)
		}
	}
	if len(t.remarks) > 0 {
		b.WriteString("\n- " + strings.Join(t.remarks, "\n- ") + "\n")
	}
	return b.String()
}

func (r *row) String() string {
	peer, speed, bar := "", "", ""
	if len(r.peers) > 0 {
		peer = fmt.Sprintf("%s: %s", r.peer, human(median(r.peers)))
		speed = fmt.Sprintf("%.2fx", r.speed())
	}
	switch {
	case r.bar.speed > 0:
		bar = fmt.Sprintf("%.2fx", r.bar.speed)
	case r.bar.time > 0:
		bar = human(r.bar.time)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |", r.work, human(median(r.ours)), peer, speed, bar, r.verdict())
}

func (r *row) speed() float64 {
	if ours := median(r.ours); ours > 0 {
		return float64(median(r.peers)) / float64(ours)
	}
	return 0
}

func (r *row) verdict() string {
	switch {
	case r.bar == bar{}:
		return ""
	case len(r.ours) == 0, r.bar.speed > 0 && len(r.peers) == 0:
		return "not measured"
	case r.bar.speed > 0 && r.speed() < r.bar.speed, r.bar.time > 0 && median(r.ours) > r.bar.time:
		return "missed"
	}
	return "met"
}

func median(samples []time.Duration) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[len(sorted)/2]
}

// human rounds a time to three digits.
func human(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

// machine says what the figures depend on. The load is that of the last minute,
// in processes that want to run.
func machine() string {
	load, _ := os.ReadFile("/proc/loadavg") // not everywhere
	first, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%d cores, %s/%s, %s, load %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), first)
}
