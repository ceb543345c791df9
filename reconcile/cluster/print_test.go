package cluster

import (
	"fmt"
	"strings"
)

// printLines prints lines the way a server does.
func printLines(lines []Line) string {
	var b strings.Builder
	for i := range lines {
		l := &lines[i]
		fmt.Fprintf(&b, "%s %s:%d@%d", l.ID, l.Host, l.Port, l.Bus)
		if l.Name != "" {
			b.WriteString("," + l.Name)
		}
		master, link := "-", "disconnected"
		if l.Master != "" {
			master = l.Master
		}
		if l.Linked {
			link = "connected"
		}
		fmt.Fprintf(&b, " %s %s 0 0 %d %s", flagText(l.Flags), master, l.Epoch, link)
		for _, r := range l.Ranges {
			fmt.Fprintf(&b, " %d-%d", r.First, r.Last)
		}
		for _, m := range l.Open {
			arrow := "->-"
			if m.Importing {
				arrow = "-<-"
			}
			fmt.Fprintf(&b, " [%d%s%s]", m.Slot, arrow, m.Peer)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func flagText(f Flags) string {
	var out []string
	for _, flag := range []struct {
		set  bool
		name string
	}{
		{f.Myself, "myself"}, {f.Master, "master"}, {f.Replica, "slave"}, {f.PFail, "fail?"},
		{f.Fail, "fail"}, {f.Handshake, "handshake"}, {f.NoAddr, "noaddr"},
	} {
		if flag.set {
			out = append(out, flag.name)
		}
	}
	if out == nil {
		return "noflags"
	}
	return strings.Join(out, ",")
}
