package load

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/validation"
)

func source(t *testing.T, url string, rate float64, cfg TrafficConfig) *Source {
	t.Helper()
	cfg.Cast = sandbox.NewCast(sandbox.SID("AC", "load"))
	return &Source{
		Traffic: NewTraffic(cfg), Schedule: NewSchedule(rate, cfg.Seed),
		Target: Target{URL: url, Key: validation.NewSecret("a token")},
	}
}

// A target that stalls once delays everything that was meant to be sent meanwhile. A loader that takes the time from when it
// got round to sending sees one slow answer, and a median as if nothing had happened.
func TestAStallShowsInEverythingThatItDelays(t *testing.T) {
	const stall = 400 * time.Millisecond
	var first sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		first.Do(func() { <-time.After(stall) })
	}))
	defer server.Close()
	connections, err := NewConnections(server.URL, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer connections.Close()
	shots := make(chan *Shot, 100)
	src := source(t, server.URL, 0, TrafficConfig{Conversations: 1, Mix: MessagesAlone})
	for i := range cap(shots) { // all of them within the first half of the stall
		shot, err := src.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		shot.At = time.Duration(i) * stall / 2 / time.Duration(cap(shots))
		shots <- shot
	}
	close(shots)
	result, notes := Plan{Workers: 1, Rate: 1, Shots: shots, Do: connections.Post}.Run(t.Context())
	if result.Done != 100 || len(notes) != 100 || result.Answers[200] != 100 {
		t.Fatalf("got %d done, %d notes and answers %v, want 100 with 200", result.Done, len(notes), result.Answers)
	}
	if least := float64((stall / 2).Milliseconds()); result.Latency.P50 < least {
		t.Errorf("got a median of %.1f ms, want at least the %.0f ms that everything was late", result.Latency.P50, least)
	}
}

// Each shot is sent no earlier than it is meant to be, and a closed loop waits for nothing but answers.
func TestAnOpenLoopKeepsToItsTimes(t *testing.T) {
	src := source(t, "http://127.0.0.1", 1000, TrafficConfig{Conversations: 10, Mix: RealMix, Bursts: true})
	shots, err := src.Prepare(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var early atomic.Int32
	do := func(_ context.Context, _ int, shot *Shot) int {
		if time.Since(start) < shot.At {
			early.Add(1)
		}
		return 200
	}
	result, _ := Plan{Workers: 4, Rate: 1000, Shots: shots, Do: do}.Run(t.Context())
	if result.Done != 100 || early.Load() > 0 {
		t.Errorf("got %d done, %d of them early, want 100 and none", result.Done, early.Load())
	}
}

func TestAStreamEndsWithItsTime(t *testing.T) {
	src := source(t, "http://127.0.0.1", 10_000, TrafficConfig{Conversations: 10, Mix: RealMix})
	shots, failed := src.Stream(t.Context(), 100*time.Millisecond)
	n := 0
	for shot := range shots {
		if n++; shot.At > 100*time.Millisecond {
			t.Fatalf("got a shot at %v, want none after 100ms", shot.At)
		}
	}
	if err := failed(); err != nil || n < 900 || n > 1100 { // 1000 on average; the seed is fixed
		t.Errorf("got %d shots and %v, want about 1000 and no error", n, err)
	}
}

func TestEnterKeepsWhatHappened(t *testing.T) {
	webhook := func(i int) sandbox.Webhook { return sandbox.Webhook{IDs: []string{fmt.Sprint(i)}} }
	ledger := sandbox.NewLedger()
	Enter(ledger, []Note{
		{webhook(2), 30, 40, 200}, // after the first was answered: in order
		{webhook(1), 10, 20, 200},
		{webhook(3), 50, 60, 403},
		{webhook(4), 70, 80, 0},
	})
	if got := ledger.Owed(); got != 2 {
		t.Errorf("got %d owed, want 2", got)
	}
	v := ledger.Judge()
	if v.Sent != 4 || v.Answers[200] != 2 || v.Answers[403] != 1 || v.Answers[0] != 1 || v.Lost != 2 {
		t.Errorf("got %+v, want 4 sent, two of them lost", v)
	}
}

// What a ledger is told late is in the order in which it happened: an event that came out before one that was answered before
// it was sent is out of order.
func TestEnterTellsOrder(t *testing.T) {
	traffic := source(t, "", 0, TrafficConfig{Conversations: 1, Mix: MessagesAlone}).Traffic
	first, second := traffic.Webhook(0), traffic.Webhook(0)
	ledger := sandbox.NewLedger()
	Enter(ledger, []Note{{second, 30, 40, 200}, {first, 10, 20, 200}})
	for _, w := range []sandbox.Webhook{second, first} {
		accepted, _ := events.Parse(events.Delivery{
			Feed: w.Feed, Method: w.Method, ContentType: w.ContentType, Body: w.Body, IdempotencyToken: w.Token, Signer: []validation.SID{""}, ReceivedAt: time.Now(),
		})
		data, err := events.EncodeEnriched(events.Enriched{Event: accepted[0], Roster: events.Roster{Lookup: events.LookupNone, Status: events.RosterNotNeeded}})
		if err != nil {
			t.Fatal(err)
		}
		ledger.Stored(events.StageEnriched, data)
	}
	if v := ledger.Judge(); v.OutOfOrder != 1 || v.Lost != 0 {
		t.Errorf("got %d out of order and %d lost, want 1 and 0", v.OutOfOrder, v.Lost)
	}
}
