package live

import (
	"context"
	"fmt"
	"maps"
)

// copyFunctions gives a master without slots the functions of the one it gets
// its first slots from. Functions belong to a node, not to a slot, and clients
// call them where their keys are. A master that has others already is refused:
// which are right is not for us to say.
func (w *pair) copyFunctions(ctx context.Context) error {
	self, _, err := w.to.view(ctx)
	if slots := self.Slots(); err != nil || !slots.Empty() {
		return err
	}
	want, err := w.from.functions(ctx)
	if err != nil || len(want) == 0 {
		return err
	}
	have, err := w.to.functions(ctx)
	if err != nil || maps.Equal(have, want) {
		return err
	}
	if len(have) > 0 {
		return fmt.Errorf("%s has no slots and functions that differ from those of %s: delete one side's (FUNCTION DELETE, or FUNCTION FLUSH)", w.to.name, w.from.name)
	}
	dump, err := w.from.ask(ctx, "FUNCTION", "DUMP")
	if err != nil {
		return err
	}
	_, err = w.to.ask(ctx, "FUNCTION", "RESTORE", dump)
	return err
}

// functions are the libraries of a node with their code. Servers before
// Redis 7 have none. A login that may not ask for them is no trouble where
// there are none.
func (e *end) functions(ctx context.Context) (map[string]string, error) {
	v, err := e.ask(ctx, "FUNCTION", "LIST", "WITHCODE")
	if refused(err, "unknown command") || refused(err, "NOPERM") && e.plain(ctx) {
		return nil, nil
	}
	if refused(err, "NOPERM") {
		return nil, fmt.Errorf("%w: it may have functions, which a new master needs as well: allow the login FUNCTION LIST, DUMP and RESTORE, "+
			"or INFO where there are none", err)
	}
	if err != nil {
		return nil, err
	}
	rows, _ := v.([]any)
	out := map[string]string{}
	for _, row := range rows {
		library := map[any]any{}
		fields, _ := row.([]any)
		for i := 0; i+1 < len(fields); i += 2 {
			if name, ok := fields[i].(string); ok {
				library[name] = fields[i+1]
			}
		}
		out[fmt.Sprint(library["library_name"])] = fmt.Sprint(library["library_code"])
	}
	return out, nil
}

// plain says whether a node tells that it has no functions (INFO memory, since
// Redis 7.0).
func (e *end) plain(ctx context.Context) bool {
	v, err := e.ask(ctx, "INFO", "memory")
	text, _ := v.(string)
	n, err2 := number(text, "number_of_libraries:")
	return err == nil && err2 == nil && n == 0
}
