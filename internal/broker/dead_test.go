package broker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

// letters reads everything that f chooses.
func letters(tb testing.TB, c *Conn, f DeadFilter) []Buried {
	tb.Helper()
	var all []Buried
	for b, err := range c.DeadLetters(tb.Context(), f) {
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// these are letters that were read before.
func these(all ...Buried) iter.Seq2[Buried, error] {
	return func(yield func(Buried, error) bool) {
		for _, b := range all {
			if !yield(b, nil) {
				return
			}
		}
	}
}

// buryAll publishes events and buries what comes of them.
func buryAll(tb testing.TB, c *Conn, all ...events.Event) {
	tb.Helper()
	publish(tb, c, all...)
	w := work(tb, c)
	defer w.stop()
	for _, task := range w.take(tb, len(all)) {
		eventually(tb, "it is the head", func() bool { return head(tb, task) })
		if err := task.Bury(tb.Context(), letter(task.Event())); err != nil {
			tb.Fatal(err)
		}
	}
	eventually(tb, "QUEUE is empty", func() bool { return messages(tb, c, queueStream) == 0 })
}

// buryDirectly stores n letters, as ingest does, over some keys.
func buryDirectly(tb testing.TB, c *Conn, n, keys int) {
	tb.Helper()
	for i := range n {
		if err := c.PublishDead(tb.Context(), letter(event(key(i%keys), i))); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestDeadLettersAreReadInOrderAndInBatches(t *testing.T) {
	_, c := provisioned(t, small)
	const n = batchMessages + 17
	buryDirectly(t, c, n, 7)
	all := letters(t, c, DeadFilter{})
	if len(all) != n {
		t.Fatalf("got %d letters, want %d", len(all), n)
	}
	for i, b := range all {
		if want := event(key(i%7), i).ID; b.Letter.ID != want || b.Sequence != uint64(i+1) || b.Key != key(i%7) || b.API != "conversations" {
			t.Fatalf("letter %d: got %+v, want %s", i, b, want)
		}
	}
	one, err := c.DeadLetter(t.Context(), 3)
	if err != nil || one.Letter.ID != all[2].Letter.ID || !one.BuriedAt.Equal(all[2].BuriedAt) {
		t.Errorf("got letter %+v, %v, want %+v", one, err, all[2])
	}
	if _, err := c.DeadLetter(t.Context(), n+1); !errors.Is(err, ErrNoLetter) {
		t.Errorf("got %v, want ErrNoLetter", err)
	}
}

func TestDeadFilter(t *testing.T) {
	_, c := provisioned(t, small)
	buryDirectly(t, c, 4, 2)
	overdue := letter(event(key(3), 9))
	overdue.Reason = events.ReasonOverdue
	for _, d := range []events.DeadLetter{overdue, {Reason: events.ReasonUnparseable, FailedAt: time.Now(), Feed: events.FeedFlex, Body: []byte("x")}} {
		if err := c.PublishDead(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	at := letters(t, c, DeadFilter{})[4].BuriedAt
	for name, tt := range map[string]struct {
		filter DeadFilter
		want   []uint64
	}{
		"all":       {DeadFilter{}, []uint64{1, 2, 3, 4, 5, 6}},
		"reason":    {DeadFilter{Reasons: []events.Reason{events.ReasonOverdue, events.ReasonUnparseable}}, []uint64{5, 6}},
		"api":       {DeadFilter{API: "flex"}, []uint64{6}},
		"resource":  {DeadFilter{Resource: "message"}, []uint64{1, 2, 3, 4, 5}},
		"key":       {DeadFilter{Key: key(1)}, []uint64{2, 4}},
		"no key":    {DeadFilter{Key: "none"}, []uint64{6}},
		"id":        {DeadFilter{IDs: []string{overdue.ID}}, []uint64{5}},
		"since":     {DeadFilter{Since: at}, []uint64{5, 6}},
		"before":    {DeadFilter{Before: at}, []uint64{1, 2, 3, 4}},
		"in future": {DeadFilter{Since: time.Now().Add(time.Hour)}, nil},
		"last":      {DeadFilter{Last: 2}, []uint64{1, 2}},
		"several":   {DeadFilter{Key: key(3), Reasons: []events.Reason{events.ReasonNotFound}}, nil},
	} {
		var got []uint64
		for _, b := range letters(t, c, tt.filter) {
			got = append(got, b.Sequence)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

func TestDeadLettersSayThatThereAreNoStreams(t *testing.T) {
	c := dial(t, serve(t, EmbeddedConfig{}), "test")
	for _, err := range c.DeadLetters(t.Context(), DeadFilter{}) {
		if err == nil || !strings.Contains(err.Error(), "provision") {
			t.Errorf("got %v, want an error that says to provision", err)
		}
	}
}

// A replay of thousands that is stopped anywhere, and run again, stores each event once, in order on its key.
func TestAReplayThatIsStoppedAndRunAgainReplaysEachOnce(t *testing.T) {
	_, c := provisioned(t, small)
	const n, keys = 2000, 50
	buryDirectly(t, c, n, keys)
	started := time.Now()
	for stopAfter := range []int{0, 1, 2} {
		ctx, stop := context.WithCancel(t.Context())
		done := 0
		err := c.ReplayDead(ctx, c.DeadLetters(ctx, DeadFilter{}), func(Buried, error) {
			if done++; done > 100*stopAfter+10 {
				stop()
			}
		})
		if stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("stopped: got %v, want it canceled", err)
		}
	}
	half := messages(t, c, deadStream)
	if half == 0 || half >= n {
		t.Fatalf("got %d letters after being stopped, want some", half)
	}
	// Stopped between storing an event and removing its letter.
	for _, b := range letters(t, c, DeadFilter{})[:20] {
		e, err := b.Replay()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.PublishRaw(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.ReplayDead(t.Context(), c.DeadLetters(t.Context(), DeadFilter{}), func(b Buried, err error) {
		if err != nil {
			t.Errorf("letter %d: %v", b.Sequence, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d letters in %v", n, time.Since(started))
	if got := messages(t, c, deadStream); got != 0 {
		t.Errorf("got %d letters left, want none", got)
	}
	if got := messages(t, c, rawStream); got != n {
		t.Errorf("got %d events in RAW, want %d", got, n)
	}
	wantReplayed(t, c, n, keys)
}

// wantReplayed checks that RAW has each of buryDirectly's events once, in order on its key, each naming the old.
func wantReplayed(t *testing.T, c *Conn, n, keys int) {
	t.Helper()
	seen := map[string]bool{}
	next := map[string]int{}
	all, err := c.readBatch(t.Context(), rawStream, batchRequest{Subject: rawSubjects, Seq: 1})
	for err == nil && len(all) > 0 {
		for _, m := range all {
			e, err := events.DecodeRaw(m.Data)
			if err != nil {
				t.Fatal(err)
			}
			k := e.Key()
			var i int
			if _, err := fmt.Sscanf(strings.TrimPrefix(e.ReplayOf, k+"-"), "%d", &i); err != nil || seen[e.ReplayOf] || seen[e.ID] {
				t.Fatalf("got %s, replay of %s, want each once", e.ID, e.ReplayOf)
			}
			seen[e.ReplayOf], seen[e.ID] = true, true
			if i/keys != next[k] {
				t.Fatalf("key %s: got replay %d, want %d: order is kept on a key", k, i/keys, next[k])
			}
			next[k]++
		}
		all, err = c.readBatch(t.Context(), rawStream, batchRequest{Subject: rawSubjects, Seq: all[len(all)-1].Sequence + 1})
	}
	if err != nil || len(seen) != 2*n {
		t.Errorf("got %d ids and %v, want %d", len(seen), err, 2*n)
	}
}

func TestWhatIsNotReplayableStays(t *testing.T) {
	_, c := provisioned(t, small)
	incomplete := event(key(1), 1)
	incomplete.Refs.MessageSID = ""
	without := event(key(4), 4) // an identifier that this kind does not need
	stripped := letter(event(key(3), 3))
	stripped.Stripped = true
	for _, d := range []events.DeadLetter{
		{Reason: events.ReasonUnparseable, FailedAt: time.Now(), Feed: events.FeedFlex, Body: []byte("x")},
		{Reason: events.ReasonInvalid, FailedAt: time.Now(), Event: &incomplete},
		letter(event(key(2), 2)),
		stripped,
		{Reason: events.ReasonInvalid, FailedAt: time.Now(), Event: &without},
	} {
		if err := c.PublishDead(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.js.Publish(t.Context(), "rollcall.dead.a.b.c.d", []byte("no letter")); err != nil {
		t.Fatal(err)
	}
	why := map[uint64]string{}
	err := c.ReplayDead(t.Context(), c.DeadLetters(t.Context(), DeadFilter{}), func(b Buried, err error) {
		why[b.Sequence] = fmt.Sprint(err)
	})
	if err != nil {
		t.Fatal(err)
	}
	for seq, want := range map[uint64]string{1: "no event", 2: "message_sid: required", 3: "<nil>", 4: "too large to be kept", 5: "without them", 6: "cannot be read"} {
		if !strings.Contains(why[seq], want) {
			t.Errorf("letter %d: got %q, want %q in it", seq, why[seq], want)
		}
	}
	if left := letters(t, c, DeadFilter{}); len(left) != 5 {
		t.Errorf("got %d letters left, want the five that cannot be replayed", len(left))
	}
}

// A letter that dies again while a replay runs is a new letter, which that replay does not look at.
func TestAReplayEndsThoughLettersDieAgain(t *testing.T) {
	_, c := provisioned(t, small)
	buryDirectly(t, c, 3, 1)
	n := 0
	err := c.ReplayDead(t.Context(), c.DeadLetters(t.Context(), DeadFilter{}), func(b Buried, _ error) {
		n++
		e, err := b.Replay()
		if err != nil {
			t.Error(err)
		}
		if err := c.PublishDead(t.Context(), letter(e)); err != nil {
			t.Error(err)
		}
	})
	if err != nil || n != 3 {
		t.Errorf("got %d replayed and %v, want 3", n, err)
	}
	again := letters(t, c, DeadFilter{})
	if len(again) != 3 {
		t.Fatalf("got %d letters, want the three that died again", len(again))
	}
	e, err := again[0].Replay()
	if err != nil || e.ReplayOf != event(key(0), 0).ID || e.ID == again[0].Letter.ID {
		t.Errorf("got %s, replay of %s, %v, want another id that names the first", e.ID, e.ReplayOf, err)
	}
}

// That an event is done is not for its letter to tell: without it the event does not come again.
func TestARemovedLettersEventStaysDone(t *testing.T) {
	s, c := provisioned(t, small)
	buryAll(t, c, event(key(1), 1), event(key(1), 2), event(key(2), 1))
	if err := c.PublishDead(t.Context(), letter(event(key(2), 9))); err != nil { // which hides the letter before it
		t.Fatal(err)
	}
	all, removed := letters(t, dial(t, s, "reader"), DeadFilter{}), 0
	for range 2 { // what is gone is no error
		if err := c.RemoveDead(t.Context(), these(all...), func(Buried) { removed++ }); err != nil {
			t.Fatal(err)
		}
	}
	if removed != 2*len(all) || len(all) != 4 {
		t.Errorf("got %d letters and %d removed, want 4 letters twice", len(all), removed)
	}
	again := rebuiltQueue(t, s)
	for _, task := range work(t, again).take(t, 3) {
		eventually(t, "it is found to be done", func() bool {
			_, err := task.Head(t.Context())
			return errors.Is(err, ErrDone)
		})
	}
	if got := messages(t, c, deadStream); got != 0 {
		t.Errorf("got %d messages in DEAD, want none", got)
	}
}

// When QUEUE is made anew after a replay, the old event is done and the one that replays it is not.
func TestAReplayedLettersEventStaysDone(t *testing.T) {
	s, c := provisioned(t, small)
	buryAll(t, c, event(key(1), 1))
	if err := c.ReplayDead(t.Context(), c.DeadLetters(t.Context(), DeadFilter{}), func(Buried, error) {}); err != nil {
		t.Fatal(err)
	}
	tasks := work(t, rebuiltQueue(t, s)).take(t, 2)
	if _, err := tasks[0].Head(t.Context()); !errors.Is(err, ErrDone) {
		t.Errorf("the old event: got %v, want ErrDone", err)
	}
	if e := tasks[1].Event(); e.ReplayOf != event(key(1), 1).ID || !head(t, tasks[1]) {
		t.Errorf("got %s, replay of %q, want the new event to be worked on", e.ID, e.ReplayOf)
	}
	if err := tasks[1].Publish(t.Context(), enriched(tasks[1].Event())); err != nil {
		t.Error(err)
	}
}

// rebuiltQueue makes QUEUE anew from RAW, and returns a connection that remembers nothing.
func rebuiltQueue(t *testing.T, s *Embedded) *Conn {
	t.Helper()
	c := dial(t, s, "again")
	if err := c.js.DeleteStream(t.Context(), queueStream); err != nil {
		t.Fatal(err)
	}
	if err := c.Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReplayKeepsTheTrace(t *testing.T) {
	_, c := provisioned(t, small)
	buryDirectly(t, c, 1, 1)
	b := letters(t, c, DeadFilter{})[0]
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	b.msg.Header.Set("traceparent", trace)
	if err := c.ReplayDead(t.Context(), these(b), func(Buried, error) {}); err != nil {
		t.Fatal(err)
	}
	raw, err := c.js.Stream(t.Context(), rawStream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := raw.GetMsg(t.Context(), 1)
	if err != nil || m.Header.Get("traceparent") != trace || m.Header.Get(jetstream.MsgIDHeader) == "" {
		t.Errorf("got headers %v, %v, want the trace %s", m.Header, err, trace)
	}
}
