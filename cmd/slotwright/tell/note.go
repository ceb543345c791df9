package tell

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// Note is how one cluster, or the source itself, stands.
type Note struct {
	Subject  string // the cluster; "" is the source
	Revision string
	Signer   string
	State    State
	Working  bool   // it is not the end: the daemon goes on
	Text     string // why, in one line
	Holds    []plan.Hold
	// Key changes when the note is news. Texts have numbers that change all the
	// time; codes and nodes do not.
	Key string
	// fresh says that the cluster was not looked at for this revision yet.
	fresh bool
}

// State is how a cluster or the source stands, in one word.
type State string

// The states: those of reconcile.Sync, and
const (
	Orphaned   State = "Orphaned"   // the source does not name the cluster any more
	Superseded State = "Superseded" // a newer revision came before this one was reached
	Read       State = "Read"       // the source has no mistake
	Mistaken   State = "Mistaken"   // the newest revision has mistakes
	Unreadable State = "Unreadable" // the source can't be read
)

// well reports whether nobody has to be told of a state that was never another.
func (s State) well() bool { return s == State(reconcile.InSync) || s == Read }

// notesOf are notes of all there is. Nothing is said of what is not known yet.
func notesOf(known follow.Known, unread time.Duration) []Note {
	var all []Note
	if n, ok := ofSource(known, unread); ok {
		all = append(all, n)
	}
	for _, c := range known.Clusters {
		all = append(all, ofCluster(c))
	}
	for _, o := range known.Orphans {
		all = append(all, Note{
			Subject: o.Name, Revision: o.Revision, State: Orphaned, Key: string(Orphaned),
			Text: "no topology names this cluster any more; it is left alone",
		})
	}
	return all
}

func ofSource(known follow.Known, unread time.Duration) (Note, bool) {
	n := Note{Revision: known.Seen, State: Read, Key: string(Read)}
	switch {
	case known.Error != "" && (known.Read.IsZero() || known.Looked.Sub(known.Read) >= unread):
		n.State, n.Text = Unreadable, known.Error+"; what was last good is kept"
		n.Key = string(Unreadable)
		return n, true
	case known.Error != "" || known.Seen == "":
		return Note{}, false
	case len(known.Mistakes) > 0:
		n.State, n.Text = Mistaken, known.Mistakes[0].String()+more(len(known.Mistakes)-1)
		n.Key = string(Mistaken) + " " + known.Seen
	default:
		n.Text = fmt.Sprintf("read: clusters %d, orphaned %d", len(known.Clusters), len(known.Orphans))
	}
	return n, true
}

// ofCluster judges by the last pass that ended. What a running pass plans on
// its way is none of people's business, but that it has begun to act is, where
// all was well before.
func ofCluster(c follow.Cluster) Note {
	n := Note{Subject: c.Name, Revision: c.Revision, Signer: c.Signer}
	outOfSync := State(reconcile.OutOfSync)
	well := c.Last == nil || c.Last.Err == nil && c.Last.Sync() == reconcile.InSync
	switch {
	case well && c.Acting:
		n.State, n.Working, n.Text = outOfSync, true, steps(c.Result.Plan)
	case c.Last == nil:
		n.State, n.Working, n.fresh, n.Text = outOfSync, true, true, "not looked at yet"
	default:
		return n.after(*c.Last)
	}
	n.Key = string(n.State) + " working"
	return n
}

// after fills a note with how a pass ended.
func (n Note) after(r reconcile.Result) Note {
	n.State, n.Holds, n.Key = State(r.Sync()), r.Plan.Holds, string(r.Sync())
	switch {
	case len(n.Holds) > 0 && r.Observed:
		n.Text, n.Key = holding(n.Holds), n.Key+" "+codes(r.Plan)
	case r.Err != nil && n.State.well():
		n.State, n.Key = State(reconcile.OutOfSync), string(reconcile.OutOfSync)
		fallthrough
	case r.Err != nil:
		n.Text, n.Key = r.Err.Error(), n.Key+" error"
	case n.State.well():
		n.Text = "the cluster is as this revision wants it"
	default:
		n.Text = steps(r.Plan) + " that nobody takes"
	}
	return n
}

func steps(p plan.Plan) string {
	if len(p.Steps) == 1 {
		return "1 step is left"
	}
	return fmt.Sprintf("%d steps are left", len(p.Steps))
}

// holding is the hold that most wants a person, with what lifts it.
func holding(holds []plan.Hold) string {
	at := max(0, slices.IndexFunc(holds, func(h plan.Hold) bool { return h.Why != plan.Wait }))
	h := holds[at]
	text := fmt.Sprintf("%s: %s", h.Code, h.Text)
	if h.Lift != "" {
		text += ". To lift it: " + h.Lift
	}
	return text + more(len(holds)-1)
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}

// codes are what holds, and about whom. Where a plan wants to be approved, it
// is about that plan.
func codes(p plan.Plan) string {
	var all []string
	for _, h := range p.Holds {
		text := string(h.Code)
		if h.Node != "" {
			text += "/" + h.Node
		}
		if h.Code == plan.NotApproved || h.Code == plan.StaleApproval {
			text += "/" + p.Fingerprint()
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}
