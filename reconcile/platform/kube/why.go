package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// askAgain is how long what controllers said is taken for what they say: who
// waits for a pod looks several times a second.
const askAgain = 2 * time.Second

// sayings are why pods are not there, as Kubernetes' own controllers say it in
// Events: a quota or an admission that refuses a pod, a claim that nobody
// serves, a volume that is still attached elsewhere. Nowhere else do they say it.
type sayings struct {
	mu    sync.Mutex
	asked time.Time
	of    map[string]string // by pod
}

// why is what keeps the pods that should be there from being there, by pod.
// Who may not read Events gets nothing.
func (p *Platform) why(ctx context.Context, now *seen) map[string]string {
	p.said.mu.Lock()
	defer p.said.mu.Unlock()
	missing, waits := now.waiting()
	if len(missing)+len(waits) == 0 || time.Since(p.said.asked) < askAgain {
		return p.said.of
	}
	out := map[string]string{}
	for set, pods := range missing {
		said := p.told(ctx, "involvedObject.uid", string(now.sets[set].UID))
		for _, pod := range pods {
			if text := refusal(said, set, pod); text != "" {
				out[pod] = "its pod can't be made: " + text + p.again(set)
			}
		}
	}
	for _, pod := range waits {
		if text := p.stuck(ctx, now.pods[pod]); text != "" {
			out[pod] = text
		}
	}
	p.said.of, p.said.asked = out, time.Now()
	return out
}

// stuck is what keeps a pod from its machine, or on it from an address: the
// scheduler waits for claims, and a kubelet for volumes, Secrets and a network.
func (p *Platform) stuck(ctx context.Context, pod *corev1.Pod) string {
	if pod.Spec.NodeName != "" {
		return unserved(p.told(ctx, "involvedObject.uid", string(pod.UID)))
	}
	for _, claim := range claimsOf(pod) {
		if text := unserved(p.told(ctx, "involvedObject.name", claim)); text != "" {
			return "its claim " + claim + " has no volume: " + text
		}
	}
	return ""
}

// again says when it is tried again: the controller's pauses double up to some
// 17 minutes (the default rate limiter of client-go's workqueue), and end at
// once when the StatefulSet changes.
func (p *Platform) again(set string) string {
	return fmt.Sprintf("; Kubernetes tries again ever more rarely, and at once after kubectl -n %s annotate statefulset %s slotwright/again=$(date +%%s) --overwrite",
		p.api.namespace, set)
}

// startsWithin is how long a machine may take to give a pod its address before it
// is asked why: of many that start, nobody is to ask about each.
const startsWithin = 5 * time.Second

// waiting are the pods that StatefulSets should have and have not, by set, and
// those that no machine has taken yet, or that take long to start on theirs.
func (s *seen) waiting() (missing map[string][]string, waits []string) {
	missing = map[string][]string{}
	for set := range s.sets {
		for ordinal := range s.replicas(set) {
			name := podName(set, ordinal)
			switch pod := s.pods[name]; {
			case pod == nil:
				missing[set] = append(missing[set], name)
			case pod.Spec.NodeName == "" || pod.Status.PodIP == "" && time.Since(pod.CreationTimestamp.Time) > startsWithin:
				waits = append(waits, name)
			}
		}
	}
	return missing, waits
}

func claimsOf(pod *corev1.Pod) []string {
	var out []string
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			out = append(out, v.PersistentVolumeClaim.ClaimName)
		}
	}
	return out
}

// told are the Events about an object, oldest first.
func (p *Platform) told(ctx context.Context, field, value string) []corev1.Event {
	out, err := listWhere[corev1.Event](ctx, p.api, events, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector(field, value).String()})
	if err != nil {
		return nil
	}
	slices.SortStableFunc(out, func(a, b corev1.Event) int { return toldAt(&a).Compare(toldAt(&b)) })
	return out
}

func toldAt(e *corev1.Event) time.Time {
	at := cmp.Or(e.LastTimestamp, metav1.Time(e.EventTime)).Time
	if e.Series != nil && e.Series.LastObservedTime.After(at) {
		return e.Series.LastObservedTime.Time
	}
	return at
}

// refusal is the last that the StatefulSet controller said of a pod, when it was
// a failure; its words are "create Pod P in StatefulSet S failed error: ..." and,
// for a claim, "create Claim C Pod P in StatefulSet S failed error: ..."
// (pkg/controller/statefulset/stateful_pod_control.go).
func refusal(said []corev1.Event, set, pod string) string {
	text := ""
	for _, e := range said {
		_, rest, about := strings.Cut(e.Message, "Pod "+pod+" in StatefulSet "+set+" ")
		if !about {
			continue
		}
		_, text, _ = strings.Cut(rest, "failed error: ")
	}
	return text
}

// unserved is the last that was said of a claim or a pod, when it is no good news:
// that of a provisioner that does not exist is no warning.
func unserved(said []corev1.Event) string {
	text := ""
	for _, e := range said {
		text = ""
		if e.Type == corev1.EventTypeWarning || e.Reason == "ExternalProvisioning" {
			text = e.Message
		}
	}
	return text
}
