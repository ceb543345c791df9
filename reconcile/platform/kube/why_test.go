package kube

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestARefusalIsTheLastThatWasSaidOfThePod(t *testing.T) {
	const quota = `pods "orders-a-1" is forbidden: exceeded quota: q`
	failed := corev1.Event{Message: "create Pod orders-a-1 in StatefulSet orders-a failed error: " + quota}
	claim := corev1.Event{Message: "create Claim data-orders-a-1 Pod orders-a-1 in StatefulSet orders-a failed error: no storage left"}
	other := corev1.Event{Message: "create Pod orders-a-11 in StatefulSet orders-a failed error: of another"}
	made := corev1.Event{Message: "create Pod orders-a-1 in StatefulSet orders-a successful"}
	combined := corev1.Event{Message: "(combined from similar events): " + failed.Message}
	for _, c := range []struct {
		name string
		said []corev1.Event
		want string
	}{
		{"nothing", nil, ""},
		{"a quota", []corev1.Event{failed}, quota},
		{"a claim", []corev1.Event{failed, claim}, "no storage left"},
		{"of another pod", []corev1.Event{other}, ""},
		{"another pod's after it", []corev1.Event{failed, other}, quota},
		{"made since", []corev1.Event{failed, made}, ""},
		{"refused again", []corev1.Event{made, combined}, quota},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := refusal(c.said, "orders-a", "orders-a-1"); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestAClaimWithoutAVolumeSaysWhatWasSaidLast(t *testing.T) {
	failed := corev1.Event{Type: corev1.EventTypeWarning, Reason: "ProvisioningFailed", Message: "no such class"}
	waits := corev1.Event{Type: corev1.EventTypeNormal, Reason: "ExternalProvisioning", Message: "waiting for a provisioner"}
	done := corev1.Event{Type: corev1.EventTypeNormal, Reason: "ProvisioningSucceeded", Message: "done"}
	for want, said := range map[string][]corev1.Event{
		"":                          {failed, waits, done},
		"no such class":             {waits, failed},
		"waiting for a provisioner": {failed, waits},
	} {
		if got := unserved(said); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestAPodWhoseVolumeIsOnALostMachineSaysHowToGiveItUp(t *testing.T) {
	claim := corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-orders-a-0"}}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "orders-a-0", Namespace: "data"},
		Spec:       corev1.PodSpec{Volumes: []corev1.Volume{{Name: "data", VolumeSource: claim}}},
	}
	for said, gives := range map[string]bool{
		"0/5 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity": true,
		"0/5 nodes are available: 1 node(s) had volume node affinity conflict":             true,
		"0/5 nodes are available: 5 Insufficient memory":                                   false,
	} {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: said}}
		got := trouble(pod, time.Now())
		if !strings.Contains(got, said) || strings.Contains(got, "kubectl -n data delete pvc data-orders-a-0 ") != gives {
			t.Errorf("%s: %s", said, got)
		}
	}
}
