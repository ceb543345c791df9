package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// watched are the directives every observation reads, whatever the topology
// names.
var watched = []string{
	"maxmemory", "maxmemory-policy", allowMigration, migrationBarrier, "cluster-node-timeout", "cluster-databases",
	cluster.AnnounceIP,
}

// secretDirectives are never read: their values must not get into a state.
var secretDirectives = map[string]bool{
	"requirepass": true, "masterauth": true, "primaryauth": true,
	"tls-key-file-pass": true, "tls-client-key-file-pass": true,
}

// directives are those one observation reads: the watched ones and the
// topology's, without secrets and patterns.
func (c *Cluster) directives() []string {
	names := slices.Clone(watched)
	for name := range c.want.Config {
		if !secretDirectives[name] && !strings.ContainsAny(name, "*?[]\\") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ask asks one server everything in one round trip. Whatever goes wrong is in
// the view.
func (c *Cluster) ask(ctx context.Context, place cluster.Place, directives []string) cluster.View {
	view := cluster.View{Place: place}
	if !place.Exists && place.Addr == "" {
		return view
	}
	if place.Addr == "" {
		view.Trouble = cmp.Or(place.Trouble, "it has no address yet")
		return view
	}
	ctx, cancel := context.WithTimeout(ctx, patience.answer)
	defer cancel()
	err := c.question(ctx, &view, directives)
	if hungUp(err) { // the server was restarted since; reading again does no harm
		err = c.question(ctx, &view, directives)
	}
	switch {
	case err == nil:
		return view
	case loading(err):
		return cluster.View{Place: place, Loading: true}
	}
	c.drop(place.Addr)
	c.minds(err)
	view = cluster.View{Place: place, Trouble: trouble(err), Refused: errors.Is(err, syscall.ECONNREFUSED)}
	if place.Trouble != "" {
		view.Trouble += "; " + place.Trouble
	}
	return view
}

func (c *Cluster) question(ctx context.Context, view *cluster.View, directives []string) error {
	// CLUSTER INFO comes after INFO, so one text holds both.
	return read(view, c.conn(view.Place.Addr).Pipe(ctx, [][]any{
		{"CLUSTER", "NODES"}, {"INFO", "server", "memory", "persistence", "replication", "keyspace"},
		{"CLUSTER", "INFO"}, configGet(directives),
	}))
}

// read fills a view from the four replies of ask. Without CONFIG GET, which a
// login may not be allowed, the view has no config and is otherwise whole.
func read(view *cluster.View, replies []Reply) error {
	texts := make([]string, 3)
	for i := range texts {
		text, err := asText(replies[i])
		if err != nil {
			return err
		}
		texts[i] = text
	}
	lines, err := cluster.ParseNodes(texts[0])
	if err != nil {
		return fmt.Errorf("answers CLUSTER NODES with what is none: %w", err)
	}
	info, err := cluster.ParseInfo(texts[1] + "\r\n" + texts[2])
	if err != nil {
		return fmt.Errorf("answers INFO with what is none: %w", err)
	}
	view.Lines, view.Info, view.Loading = lines, info, info.Loading
	view.Info.Config = asPairs(replies[3].Value)
	describe(&view.Info)
	return nil
}

// describe adds what CONFIG GET tells to what INFO told.
func describe(info *cluster.Info) {
	if n, err := strconv.Atoi(info.Config["cluster-databases"]); err == nil && n > 0 {
		info.Server.Databases = n
	}
	info.Borrowed = isBorrowed(info.Config)
	if info.Borrowed {
		// What slotwright switched for its own work is no difference to what
		// people want; show what it will be put back to.
		info.Config = maps.Clone(info.Config)
		maps.Copy(info.Config, returned(info.Config))
	}
}

func configGet(directives []string) []any {
	args := []any{"CONFIG", "GET"}
	for _, name := range directives {
		args = append(args, name)
	}
	return args
}

// loading reports whether a server says that it is reading its data set.
func loading(err error) bool {
	var refusal ServerError
	return errors.As(err, &refusal) && strings.HasPrefix(string(refusal), "LOADING")
}

func asText(reply Reply) (string, error) {
	if reply.Err != nil {
		return "", reply.Err
	}
	text, ok := reply.Value.(string)
	if !ok {
		return "", fmt.Errorf("%w: text was expected", errReply)
	}
	return text, nil
}

// asPairs reads the flat list of names and values that CONFIG GET answers.
func asPairs(value any) map[string]string {
	list, _ := value.([]any)
	pairs := make(map[string]string, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		name, okName := list[i].(string)
		text, okText := list[i+1].(string)
		if okName && okText {
			pairs[name] = text
		}
	}
	return pairs
}
