package load

import (
	"bytes"
	"net/url"
	"testing"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

func TestTrafficIsLikeRealTraffic(t *testing.T) {
	const n = 10_000
	traffic := NewTraffic(TrafficConfig{
		Cast: sandbox.NewCast(sandbox.SID("AC", "load")), Conversations: 100, Participants: 2, Mix: RealMix, Skew: 1.1, Bursts: true, MessageBytes: 1024, Seed: 1,
	})
	names, conversations, turns := map[string]int{}, map[int]int{}, 0
	for range n {
		w, conversation, begins := traffic.Next()
		names[w.Name]++
		conversations[conversation]++
		if begins {
			turns++
		}
		if w.Name == message && len(w.Body) != 1024 {
			t.Fatalf("got a message of %d bytes, want 1024", len(w.Body))
		}
		fields, err := url.ParseQuery(string(w.Body))
		if got, want := fields.Get("ConversationSid"), string(traffic.Conversation(conversation)); err != nil || got != want {
			t.Fatalf("got a webhook of %q and %v, want %q", got, err, want)
		}
	}
	within := func(what string, got, low, high int) {
		if got < low || got > high {
			t.Errorf("%s: got %d of %d, want %d to %d", what, got, n, low, high)
		}
	}
	within("messages", names[message], 7800, 8200)
	within("deliveries", names["onDeliveryUpdated"], 900, 1100)
	within("participants", names["onParticipantAdded"]+names["onParticipantUpdated"], 900, 1100)
	within("the busiest conversation", conversations[0], n/100*10, n/2)
	within("turns", turns, n/3, n*9/10)
}

func TestTheSameSeedIsTheSameTraffic(t *testing.T) {
	cfg := TrafficConfig{Cast: sandbox.NewCast(sandbox.SID("AC", "load")), Conversations: 50, Participants: 2, Mix: RealMix, Skew: 1.1, Bursts: true, Seed: 7}
	one, two := NewTraffic(cfg), NewTraffic(cfg)
	tokens := map[string]bool{}
	for range 200 {
		a, i, _ := one.Next()
		b, j, _ := two.Next()
		if a.Name != b.Name || i != j {
			t.Fatalf("got %s of %d and %s of %d, want the same", a.Name, i, b.Name, j)
		}
		tokens[a.Token], tokens[b.Token] = true, true
	}
	if len(tokens) != 400 {
		t.Errorf("got %d tokens, want 400: each webhook is an event of its own", len(tokens))
	}
}

// Those of a burst are meant to be sent at one moment, and the rate holds nevertheless.
func TestBurstsComeAtOnce(t *testing.T) {
	src := source(t, "http://127.0.0.1", 1000, TrafficConfig{Conversations: 50, Mix: RealMix, Skew: 1.1, Bursts: true, Seed: 1})
	var last *Shot
	together := 0
	for range 5000 {
		shot, err := src.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if last != nil && shot.At == last.At {
			together++
		}
		last = shot
	}
	if together < 1000 {
		t.Errorf("got %d of 5000 at the moment of the one before, want at least 1000", together)
	}
	if seconds := last.At.Seconds(); seconds < 4.5 || seconds > 5.5 { // the seed is fixed
		t.Errorf("got 5000 shots in %.2f s, want about 5", seconds)
	}
}

func TestTheWorldKnowsTheTraffic(t *testing.T) {
	src := source(t, "http://127.0.0.1", 0, TrafficConfig{Conversations: 3, Participants: 2, Mix: Mix{Participants: 1}})
	world := sandbox.NewWorld(sandbox.State{})
	world.Change(src.Traffic.World)
	for range 20 {
		w, i, _ := src.Traffic.Next()
		c, known := world.State().Conversations[src.Traffic.Conversation(i)]
		if !known || len(c.Participants) != 2 {
			t.Fatalf("got %d participants in a conversation of the traffic, want 2", len(c.Participants))
		}
		if !bytes.Contains(w.Body, []byte(c.Participants[0].SID)) && !bytes.Contains(w.Body, []byte(c.Participants[1].SID)) {
			t.Fatal("got a webhook about a participant who is not there")
		}
	}
}
