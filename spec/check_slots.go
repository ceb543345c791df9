package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/slotwright/slotwright/spec/slot"
)

const (
	maxWeight = 1000
	// maxTolerance is further from even than one master with all slots: 999 shares.
	maxTolerance     = maxNodes
	defaultTolerance = 0.02
)

var percent = regexp.MustCompile(`^([0-9]{1,6}(\.[0-9]{1,20})?)%$`)

func (p *page) slots(s *body) Slots {
	out := Slots{Tolerance: defaultTolerance}
	if s.Slots == nil {
		return out
	}
	if text := s.Slots.Tolerance; text != "" {
		const path = "spec.slots.tolerance"
		var ok bool
		if out.Tolerance, ok = fractionOf(text); !ok {
			p.say(path, fmt.Sprintf("%s: %s is not a share from 0%% to %d%%", path, quote(path, text), 100*maxTolerance), "such as 2%")
		}
	}
	out.Weights = s.Slots.Weights
	known := s.zonesNamed()
	for _, zone := range slices.Sorted(maps.Keys(out.Weights)) {
		path := "spec.slots.weights." + zone
		p.between(path, out.Weights[zone], 1, maxWeight)
		if !slices.Contains(known, zone) {
			p.say(path, fmt.Sprintf("weight of %s, which is no zone of this topology", quote(path, zone)), "")
		}
	}
	return out
}

// fractionOf reads "2%" as 0.02.
func fractionOf(text string) (float64, bool) {
	parts := percent.FindStringSubmatch(text)
	if parts == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(parts[1]+"e-2", 64) // a division would round twice
	return n, err == nil && n <= maxTolerance
}

// zonesNamed are the zones as written, or those the inventory names.
func (s *body) zonesNamed() []string {
	if len(s.Zones) > 0 || s.Platform.Static == nil {
		return s.Zones
	}
	var zones []string
	for _, n := range s.Platform.Static.Nodes {
		zones = append(zones, n.Zone)
	}
	return zones
}

// fingerprint is that of a plan.
var fingerprint = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func (p *page) allow(a *allow) Allow {
	if a == nil {
		return Allow{}
	}
	out := Allow{ShrinkTo: a.ShrinkTo, Delete: a.Delete, Forget: a.Forget, Plan: a.Plan}
	if a.Plan != "" && !fingerprint.MatchString(a.Plan) {
		p.say("spec.allow.plan", "spec.allow.plan is no fingerprint of a plan", "slotwright plan prints it: sha256: and 64 hexadecimal digits")
	}
	if a.ShrinkTo != nil {
		p.between("spec.allow.shrinkTo", *a.ShrinkTo, 1, maxNodes)
	}
	const path = "spec.allow.dataLoss"
	var lost slot.Set
	for i, text := range a.DataLoss {
		at := fmt.Sprintf("%s[%d]", path, i)
		if p.void[at] {
			continue
		}
		set, err := slot.Parse(string(text))
		both := lost.Intersect(set)
		switch {
		case err != nil:
			p.say(at, at+": "+err.Error(), "write [0-5460, 7000]")
		case set.Empty():
			p.say(at, at+" is empty", "")
		case !both.Empty():
			p.say(at, fmt.Sprintf("%s: slots %s are written twice", at, both), "")
		}
		lost = lost.Union(set)
	}
	if len(a.DataLoss) > 0 {
		out.DataLoss = &lost
	}
	return out
}
