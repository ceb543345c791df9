//go:build apiserver

package kube

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// says makes an Event, as a controller does.
func (b *bench) says(kind, name string, uid types.UID, reason, text string, at time.Time) {
	b.Helper()
	e := &corev1.Event{
		TypeMeta:       metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta:     metav1.ObjectMeta{GenerateName: "e-", Namespace: b.namespace},
		InvolvedObject: corev1.ObjectReference{Kind: kind, Name: name, UID: uid, Namespace: b.namespace},
		Type:           corev1.EventTypeWarning, Reason: reason, Message: text, LastTimestamp: metav1.NewTime(at),
	}
	_, err := b.of(events).Create(b, &unstructured.Unstructured{Object: plain(e)}, metav1.CreateOptions{})
	b.must(err)
}

// trouble is that of a pod, asked anew.
func (b *bench) trouble(p *Platform, pod string) string {
	b.Helper()
	p.said.asked = time.Time{}
	places, err := p.Places(b)
	b.must(err)
	for _, place := range places {
		if place.Name == pod {
			return place.Trouble
		}
	}
	b.Fatalf("no place %s", pod)
	return ""
}

func TestWhyAPodIsNotMadeIsWhatTheControllerSaysLast(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-0"}))
	if got := b.trouble(p, "orders-a-0"); got != notMadeYet {
		t.Errorf("nobody said anything: %q", got)
	}
	now, err := p.look(b)
	b.must(err)
	begin, uid := time.Now(), now.sets["orders-a"].UID
	about := "create Pod orders-a-0 in StatefulSet orders-a "
	b.says("StatefulSet", "orders-a", "of-the-one-before", "FailedCreate", about+"failed error: of another life", begin)
	b.says("StatefulSet", "orders-a", uid, "FailedCreate", about+"failed error: exceeded quota", begin.Add(2*time.Second))
	b.says("StatefulSet", "orders-a", uid, "SuccessfulCreate", about+"successful", begin)
	if got := b.trouble(p, "orders-a-0"); !strings.HasPrefix(got, "its pod can't be made: exceeded quota; ") || !strings.Contains(got, "annotate statefulset orders-a ") {
		t.Errorf("a full quota: %q", got)
	}
	b.says("StatefulSet", "orders-a", uid, "SuccessfulCreate", about+"successful", begin.Add(4*time.Second))
	if got := b.trouble(p, "orders-a-0"); got != notMadeYet {
		t.Errorf("made, and gone since: %q", got)
	}
}

func TestAPodThatWaitsForItsVolumeSaysWhatIsSaidOfTheClaim(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-0"}))
	b.makePods(p)
	now, err := p.look(b)
	b.must(err)
	claim := claimsOf(now.pods["orders-a-0"])
	if len(claim) != 1 {
		t.Fatalf("claims: %v", claim)
	}
	b.says("PersistentVolumeClaim", claim[0], "c", "ProvisioningFailed", "no such class", time.Now())
	if got := b.trouble(p, "orders-a-0"); !strings.Contains(got, claim[0]) || !strings.Contains(got, "no such class") {
		t.Errorf("told: %q", got)
	}
}

// placed has a machine take a pod, which does not come to run there.
func (b *bench) placed(pod, machine string) {
	b.Helper()
	binding := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Binding", "metadata": map[string]any{"name": pod, "namespace": b.namespace},
		"target": map[string]any{"apiVersion": "v1", "kind": "Node", "name": machine},
	}}
	_, err := b.of(pods).Create(b, binding, metav1.CreateOptions{}, "binding")
	b.must(err)
	b.status(pod, map[string]any{"phase": "Pending"})
}

func TestAPodThatDoesNotStartOnItsMachineSaysWhatTheKubeletSaysLast(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-0"}))
	b.makePods(p)
	b.placed("orders-a-0", "k1")
	now, err := p.look(b)
	b.must(err)
	begin, uid := time.Now(), now.pods["orders-a-0"].UID
	b.says("Pod", "orders-a-0", "of-the-one-before", "FailedMount", "of another life", begin.Add(time.Second))
	b.says("Pod", "orders-a-0", uid, "FailedAttachVolume", "the volume is attached to k2", begin)
	b.soon("the kubelet's words are told", func() bool {
		return b.trouble(p, "orders-a-0") == "its pod is starting on k1; the volume is attached to k2"
	})
}
