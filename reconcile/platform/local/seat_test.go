package local

import (
	"strings"
	"testing"

	"github.com/slotwright/slotwright/spec"
)

func TestSeatsAreDealtOverTheZonesOfTheFile(t *testing.T) {
	for _, c := range []struct {
		masters, replicas int
		zones, want       string
	}{
		{3, 1, "a b c", "a-0 b-0 c-0 a-1 b-1 c-1"},
		{4, 1, "a b c", "a-0 b-0 c-0 a-1 b-1 c-1 a-2 b-2"},
		{1, 0, "eu-1 eu-2", "eu-1-0"},
		{2, 1, "", "n-0 n-1 n-2 n-3"},
	} {
		var got []string
		for _, s := range seats(spec.Topology{Masters: c.masters, ReplicasPerMaster: c.replicas, Zones: strings.Fields(c.zones)}) {
			got = append(got, s.Node)
			if zone := s.Node[:strings.LastIndex(s.Node, "-")]; len(c.zones) > 0 && zone != s.Zone {
				t.Errorf("%s stands in zone %q", s.Node, s.Zone)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%d masters, %d replicas, zones %q: got %v, want %s", c.masters, c.replicas, c.zones, got, c.want)
		}
	}
}
