package follow

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/slotwright/slotwright/gitsync"
)

// text is a topology of n masters at the given ports of one host.
func text(name string, ports ...int) string {
	var nodes []string
	for i, p := range ports {
		nodes = append(nodes, fmt.Sprintf("{name: n%d, address: '10.0.0.1:%d'}", i, p))
	}
	return fmt.Sprintf("apiVersion: slotwright/v1alpha1\nkind: RedisCluster\nmetadata: {name: %s}\nspec:\n  masters: %d\n"+
		"  replicasPerMaster: 0\n  zoneSpread: 'Off'\n  platform: {static: {nodes: [%s]}}\n", name, len(ports), strings.Join(nodes, ", "))
}

// snap is a snapshot of files by name.
func snap(revision string, files map[string]string) gitsync.Snapshot {
	in := fstest.MapFS{}
	for name, content := range files {
		in[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return gitsync.Snapshot{Revision: revision, Files: in, Signer: "signer of " + revision}
}

// wants tells for each cluster that is wanted how many masters and from which
// revision, and what is an orphan.
func (b *book) tells() string {
	var all []string
	for _, t := range wanted(b.entries) {
		all = append(all, fmt.Sprintf("%s=%d@%s", t.Name, t.Masters, b.entries[t.Name].Revision))
	}
	for _, name := range []string{"orders", "sessions", "users"} {
		if e := b.entries[name]; !e.Orphaned.IsZero() {
			all = append(all, name+" orphaned since "+e.Orphaned.Format("15:04"))
		}
	}
	return strings.Join(all, ", ")
}

const typo = "apiVersion: slotwright/v1alpha1\nkind: RedisCluster\nmetadata: {name: orders}\nspec:\n  mastres: 4\n"

func TestWhatASnapshotChanges(t *testing.T) {
	orders, sessions := text("orders", 1, 2, 3), text("sessions", 11, 12, 13)
	grown := text("orders", 1, 2, 3, 4)
	for name, c := range map[string]struct {
		files   map[string]string
		want    string
		mistake string // "" for none
	}{
		"a change is taken in": {
			map[string]string{"o.yaml": grown, "s.yaml": sessions},
			"orders=4@second, sessions=3@second", "",
		},
		"a file elsewhere with the same wish is the same cluster": {
			map[string]string{"new/o.yaml": orders, "s.yaml": sessions},
			"orders=3@second, sessions=3@second", "",
		},
		"a cluster with a mistake stays as it was, the others go on": {
			map[string]string{"o.yaml": typo, "s.yaml": text("sessions", 11, 12, 13, 14)},
			"orders=3@first, sessions=4@second", "o.yaml:5",
		},
		"an empty file is a mistake, not a deletion": {
			map[string]string{"o.yaml": "", "s.yaml": sessions},
			"orders=3@first, sessions=3@second", "o.yaml: ",
		},
		"only comments are a mistake, not a deletion": {
			map[string]string{"o.yaml": "# orders\n", "s.yaml": sessions},
			"orders=3@first, sessions=3@second", "o.yaml: ",
		},
		"a file that is gone makes an orphan": {
			map[string]string{"s.yaml": sessions},
			"sessions=3@second, orders orphaned since 12:00", "",
		},
		"a file that is gone is no orphan while there are mistakes": {
			map[string]string{"s.yaml": "nonsense"},
			"orders=3@first, sessions=3@first", "s.yaml:1",
		},
		"a document that is gone makes an orphan": {
			map[string]string{"o.yaml": orders},
			"orders=3@second, sessions orphaned since 12:00", "",
		},
		"two files elsewhere with one name are a mistake of both": {
			map[string]string{"p.yaml": grown, "p2.yaml": orders, "s.yaml": sessions},
			"orders=3@first, sessions=3@second", "orders",
		},
		"a node moved away from a cluster with a mistake moves nowhere": {
			map[string]string{"o.yaml": typo, "s.yaml": text("sessions", 11, 12, 13, 3)},
			"orders=3@first, sessions=3@first", "10.0.0.1:3 is also claimed by",
		},
		"a file that wants a node of another one is refused, wherever it stands": {
			map[string]string{"a.yaml": text("users", 21, 22, 3), "o.yaml": grown, "s.yaml": sessions},
			"orders=4@second, sessions=3@second", "a.yaml:1: the address 10.0.0.1:3 is also claimed by cluster orders at o.yaml:1, which has it",
		},
		"a known cluster that wants a node of another one stays as it was": {
			map[string]string{"o.yaml": grown, "s.yaml": text("sessions", 11, 12, 13, 3)},
			"orders=4@second, sessions=3@first", "s.yaml:1: the address 10.0.0.1:3 is also claimed by cluster orders at o.yaml:1, which has it",
		},
		"a second file for a cluster is refused, the first goes on": {
			map[string]string{"a.yaml": text("orders", 1, 2), "o.yaml": grown, "s.yaml": sessions},
			"orders=4@second, sessions=3@second", "a.yaml:1: the name orders is also claimed by cluster orders at o.yaml:1, which has it",
		},
		"two new files that want the same are both refused": {
			map[string]string{"a.yaml": text("users", 21), "b.yaml": text("carts", 21), "o.yaml": grown, "s.yaml": sessions},
			"orders=4@second, sessions=3@second", "b.yaml:1: the address 10.0.0.1:21 is also claimed by cluster users at a.yaml:1",
		},
		"who is left out may keep others where they are": {
			map[string]string{"o.yaml": typo, "s.yaml": text("sessions", 12, 13, 3), "a.yaml": text("users", 11)},
			"orders=3@first, sessions=3@first", "a.yaml:1: the address 10.0.0.1:11 is also claimed by cluster sessions at s.yaml:1, which has it",
		},
		"a node moved from one good cluster to another moves": {
			map[string]string{"o.yaml": text("orders", 1, 2), "s.yaml": text("sessions", 11, 12, 13, 3)},
			"orders=2@second, sessions=4@second", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook()
			noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
			b.turn(snap("first", map[string]string{"o.yaml": orders, "s.yaml": sessions}), Origin{}, noon.Add(-time.Hour))
			b.turn(snap("second", c.files), Origin{}, noon)
			if got := b.tells(); got != c.want {
				t.Errorf("want %s, got %s", c.want, got)
			}
			if b.seen != "second" || (b.good == "second") != (c.mistake == "") {
				t.Errorf("seen %s, good %s", b.seen, b.good)
			}
			if got := b.mistakes.Error(); (got == "") != (c.mistake == "") || !strings.Contains(got, c.mistake) {
				t.Errorf("want the mistake %q, got %q", c.mistake, got)
			}
		})
	}
}

func TestAnOrphanStaysOneUntilItIsNamedAgain(t *testing.T) {
	files := map[string]string{"o.yaml": text("orders", 1, 2, 3), "s.yaml": text("sessions", 11, 12, 13)}
	less := map[string]string{"s.yaml": files["s.yaml"]}
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	b := newBook()
	for i, step := range []struct {
		files map[string]string
		want  string
	}{
		{files, "orders=3@r0, sessions=3@r0"},
		{less, "sessions=3@r1, orders orphaned since 12:01"},
		{less, "sessions=3@r2, orders orphaned since 12:01"},
		{map[string]string{"s.yaml": typo}, "sessions=3@r2, orders orphaned since 12:01"},
		{files, "orders=3@r4, sessions=3@r4"},
	} {
		b.turn(snap(fmt.Sprintf("r%d", i), step.files), Origin{}, at.Add(time.Duration(i)*time.Minute))
		if got := b.tells(); got != step.want {
			t.Errorf("after r%d: want %s, got %s", i, step.want, got)
		}
	}
}

func TestTopologiesFromGitReachOnlyWhatIsPermitted(t *testing.T) {
	static := text("orders", 1, 2, 3)
	local := "apiVersion: slotwright/v1alpha1\nkind: RedisCluster\nmetadata: {name: orders}\nspec:\n  masters: 3\n  replicasPerMaster: 0\n  platform: {local: {%s}}\n"
	password := func(path string) string { return static + "  auth: {password: {file: " + path + "}}\n" }
	open := Origin{Confined: true, Base: "/secrets", Local: true}
	for name, c := range map[string]struct {
		origin Origin
		text   string
		want   string // part of the mistake; "" when it is permitted
	}{
		"a file below --files":               {open, password("pw"), ""},
		"a file beside, below --files":       {open, password("../pw"), ""},
		"an absolute path":                   {open, password("/etc/shadow"), "outside of --files: /etc/shadow"},
		"a path that climbs out":             {open, password("../../etc/shadow"), "outside of --files"},
		"a file without --files":             {Origin{Confined: true}, password("pw"), "not permitted: pw"},
		"a certificate without --files":      {Origin{Confined: true}, static + "  tls: {caFile: ca.crt}\n", "not permitted: ca.crt"},
		"an environment variable":            {Origin{Confined: true}, static + "  auth: {password: {env: PW}}\n", ""},
		"processes without --allow-local":    {Origin{Confined: true}, fmt.Sprintf(local, ""), "--allow-local"},
		"processes with it":                  {open, fmt.Sprintf(local, "server: valkey-server"), ""},
		"a program by its path":              {open, fmt.Sprintf(local, "server: /bin/sh"), "outside of --files: /bin/sh"},
		"a data directory elsewhere":         {open, fmt.Sprintf(local, "directory: /var/lib"), "outside of --files: /var/lib"},
		"anything from a directory":          {Origin{}, password("/etc/redis.password"), ""},
		"processes from a directory":         {Origin{}, fmt.Sprintf(local, "directory: /srv/redis"), ""},
		"nothing, which needs no permission": {Origin{Confined: true}, static, ""},
	} {
		t.Run(name, func(t *testing.T) {
			found, mistakes := c.origin.load(snap("r", map[string]string{"prod/orders.yaml": c.text}), nil)
			got := mistakes.Error()
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) || (len(found) == 1) != (c.want == "") {
				t.Fatalf("want %q, got %q and %d topologies", c.want, got, len(found))
			}
			if c.want != "" && !strings.HasPrefix(got, "prod/orders.yaml:1: ") {
				t.Errorf("the mistake does not say where: %s", got)
			}
		})
	}
	found, _ := open.load(snap("r", map[string]string{"prod/orders.yaml": password("pw")}), nil)
	if got := open.place(found[0]).Path("pw"); got != "/secrets/prod/pw" {
		t.Errorf("the password is looked for at %s", got)
	}
}
