package cluster

import (
	"reflect"
	"testing"

	"github.com/slotwright/slotwright/spec/slot"
)

// captured is one cluster, made alike on three engines: n0 serves 0-8191 and
// marks slots 0 and 9000, n1 with an announced host name serves the rest, n2
// follows n0, n3 is dead.
type captured struct {
	engine       string
	server       Server
	keys, offset int64
	filled       []int
	dataset      [2]int64 // of n0 and of n2
	replicaShows bool     // n2 shows the marks of its master
	ids          [4]string
	used, rss    [2]int64
}

func engines() []captured {
	return []captured{
		{
			engine: "redis-8.0", server: Server{Name: "redis", Version: "8.0.2", Databases: 1}, keys: 3, filled: []int{0}, offset: 119,
			used: [2]int64{2312816, 2263072}, rss: [2]int64{14594048, 15052800}, dataset: [2]int64{Unknown, Unknown}, // printed as a wrapped difference
			ids: [4]string{
				"2054d506fdcfd896d10c7a8d726b69a5d1520a4a", "1b74326a87bc70e15bea5df8ad9b3fb8dc73ad26",
				"2a3359de418cd752a8126af51d2314a4ffea1234", "45e6fd994eea9027ca6bc357279766ea02449477",
			},
		},
		{
			engine: "valkey-8", server: Server{Name: "valkey", Version: "8.0.1", Databases: 1}, keys: 3, filled: []int{0}, offset: 408,
			used: [2]int64{3080192, 3052976}, rss: [2]int64{13737984, 13889536}, dataset: [2]int64{45756, 39356}, replicaShows: true,
			ids: [4]string{
				"49d57b68d6b6f93f9ec2a132625e733a98688b82", "cfb012402fc031b66086a8ff25792f40c4198cc7",
				"842c51b2ebfa2ab3f63cba2544f51ae38408ed7c", "6579117cda3a77f04948736cbd9d6018ffba5e64",
			},
		},
		{
			engine: "valkey-9.1", server: Server{Name: "valkey", Version: "9.1.2", Databases: 4}, keys: 4, filled: []int{0, 3}, offset: 463,
			used: [2]int64{3672176, 3667912}, rss: [2]int64{15679488, 16203776}, dataset: [2]int64{865540, 838620}, replicaShows: true,
			ids: [4]string{
				"da2b5a29daee041f85259158236dbb73f8e951e0", "e6b09816af7dbab241762b8574c56ce79d391eec",
				"b7073a4af80b1a4d5df55c0de1f79a24c14abf24", "bd616d3bb3a6129b2d00ac4162b2b50cab792b63",
			},
		},
	}
}

func TestInfoOfEveryEngineSaysTheSame(t *testing.T) {
	for _, c := range engines() {
		for i, role := range []string{"master", "replica"} {
			got, err := ParseInfo(read(t, c.engine+"-"+role+".txt"))
			if err != nil {
				t.Fatalf("%s: %v", c.engine, err)
			}
			want := Info{
				Keys: c.keys, Filled: c.filled, Offset: c.offset, Linked: role == "replica",
				Memory: Memory{Used: c.used[i], RSS: c.rss[i], Dataset: c.dataset[i], System: 25276502016, Policy: "noeviction"},
				Server: c.server,
			}
			got.History = History{}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s\ngot  %+v\nwant %+v", c.engine, role, got, want)
			}
		}
	}
}

// Valkey sends marks on to replicas (SETSLOT is replicated), Redis does not.
func TestNodesOfEveryEngineSayTheSame(t *testing.T) {
	answers := seeds(t)
	for _, c := range engines() {
		marks := []Mark{{Slot: 0, Peer: c.ids[1]}, {Slot: 9000, Importing: true, Peer: c.ids[1]}}
		lines := []Line{
			{ID: c.ids[0], Port: 24000, Flags: Flags{Master: true}, Epoch: 1, Ranges: []slot.Range{{First: 0, Last: 8191}}},
			{ID: c.ids[1], Port: 24001, Flags: Flags{Master: true}, Epoch: 2, Ranges: []slot.Range{{First: 8192, Last: 16383}}, Name: "b.example.com"},
			{ID: c.ids[2], Port: 24002, Flags: Flags{Replica: true}, Epoch: 1, Master: c.ids[0]},
			{ID: c.ids[3], Port: 24003, Flags: Flags{Master: true, Fail: true}, Epoch: 4},
		}
		for teller, answer := range map[int]string{0: "-open-slots-and-fail.txt", 2: "-replica.txt"} {
			got, err := ParseNodes(answers[c.engine+answer])
			if err != nil {
				t.Fatalf("%s: %v", c.engine, err)
			}
			want := map[string]Line{}
			for i, l := range lines {
				l.Host, l.Bus, l.Linked = "127.88.0.1", l.Port+10000, true
				if l.Flags.Myself = i == teller; l.Flags.Myself && (i == 0 || c.replicaShows) {
					l.Open = marks
				}
				want[l.ID] = l
			}
			for _, l := range got {
				w := want[l.ID]
				if l.Flags.Fail { // the link to a dead node may be down or be tried anew
					l.Linked = w.Linked
				}
				if !reflect.DeepEqual(l, w) {
					t.Errorf("%s, by n%d\ngot  %+v\nwant %+v", c.engine, teller, l, w)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s, by n%d: %d lines, want %d", c.engine, teller, len(got), len(want))
			}
		}
	}
}
