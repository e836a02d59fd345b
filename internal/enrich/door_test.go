package enrich

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// While the API is slow, thousands of conversations wait, and each goroutine would keep its stack.
func TestLanesThatWaitForTheAPIHaveNoGoroutine(t *testing.T) {
	bubble(t, Config{Concurrency: 2}, func(b *bench) {
		b.api.answer = func(ctx context.Context, _ int, q question) ([]participants.Participant, error) {
			<-time.After(time.Second)
			return nil, nil
		}
		const n = 1000
		before := runtime.NumGoroutine()
		for i := range n {
			b.handle(uint64(i)+1, message(i))
		}
		synctest.Wait()
		if got := runtime.NumGoroutine() - before; got > 12 {
			b.t.Errorf("got %d goroutines more, want about 4 for each of 2 calls", got)
		}
		b.wantMetric("rollcall_enrich_waiting_tasks 1000")
		after(n / 2 * time.Second)
		if got := len(b.publishedIDs()); got != n {
			b.t.Errorf("got %d published, want %d", got, n)
		}
	})
}

// While a host is unwell, its lanes wait for it before the door, and NATS is not asked for each of them again and again.
func TestLanesThatWaitForAHostHaveNoGoroutine(t *testing.T) {
	bubble(t, Config{Concurrency: 2}, func(b *bench) {
		well := time.Now().Add(10 * time.Minute)
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			if time.Now().Before(well) {
				return nil, status(502)
			}
			return nil, nil
		}
		const n = 1000
		before := runtime.NumGoroutine()
		for i := range n {
			b.handle(uint64(i)+1, message(i))
		}
		after(5 * time.Minute)
		heads := b.headsAsked()
		after(time.Minute)
		if got := runtime.NumGoroutine() - before; got > 4*breakerCalls {
			b.t.Errorf("got %d goroutines more, want about as many as calls that open the breaker", got)
		}
		if got := b.headsAsked() - heads; got > 60 {
			b.t.Errorf("got %d questions to NATS in a minute, want one now and then", got)
		}
		after(5 * time.Minute)
		if got := len(b.publishedIDs()); got != n || len(b.letters) != 0 {
			b.t.Errorf("got %d published and %d letters, want %d and none", got, len(b.letters), n)
		}
	})
}

// What waits at the door of one account's API delays neither another API, nor another account, nor what needs no call.
func TestADoorDelaysNobodyElse(t *testing.T) {
	bubble(t, Config{Concurrency: 2}, func(b *bench) {
		const other = validation.SID("AC00000000000000000000000000000002")
		b.accounts.set(other, "other")
		b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			if q.username == "first" && q.lookup == events.LookupConversation {
				return nil, status(401)
			}
			return []participants.Participant{{ID: "MB" + q.within}}, nil
		}
		for i := range 100 {
			b.handle(uint64(i)+1, message(i))
		}
		after(time.Second)
		elsewhere, v2, simple := message(1000), communication("comms_participant_1"), as(message(1001), "user", "updated")
		elsewhere.Account = other
		simple.Refs = events.Refs{UserSID: sid("US", 1)}
		b.handle(1001, elsewhere, v2, simple)
		synctest.Wait()
		if got := b.publishedIDs(); len(got) != 3 {
			b.t.Errorf("got %v published, want 1001, 1002 and 1003", got)
		}
	})
}

// A conversation that fails gives its place to another while it waits for its next try.
func TestFailingConversationsDoNotBlockTheDoor(t *testing.T) {
	bubble(t, Config{Concurrency: 1}, func(b *bench) {
		b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			if q.within < string(sid("CH", 10*doorsPerCall)) {
				return nil, &participants.Error{Failure: participants.FailureContract}
			}
			return nil, nil
		}
		for i := range 10*doorsPerCall + 1 {
			b.handle(uint64(i)+1, message(i))
		}
		synctest.Wait()
		b.wantPublished("41")
	})
}

// The time at the door says nothing about the event: others were slow.
func TestWaitingAtTheDoorMakesNobodyOverdue(t *testing.T) {
	bubble(t, Config{Concurrency: 1, HeadTimeout: 20 * time.Second}, func(b *bench) {
		asked := 0
		b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			if q.within != string(sid("CH", 0)) {
				<-time.After(5 * time.Second)
				return nil, nil
			}
			if asked++; asked <= 2 {
				return nil, &participants.Error{Failure: participants.FailureContract}
			}
			return nil, nil
		}
		b.handle(1, message(0))
		synctest.Wait()
		const others = 10 * doorsPerCall
		for i := range others {
			b.handle(uint64(i)+2, message(i+1))
		}
		after(10 * time.Minute)
		if got := len(b.publishedIDs()); got != others+1 || asked != 3 {
			b.t.Errorf("got %d published and %d calls, want %d and 3", got, asked, others+1)
		}
	})
}

// Those who wait are given back at once, while what is under way may go on.
func TestStopReleasesWhatWaitsAtTheDoor(t *testing.T) {
	bubble(t, Config{Concurrency: 1}, func(b *bench) {
		b.publish = func(uint64) error {
			b.mu().Unlock()
			<-time.After(10 * time.Second)
			b.mu().Lock()
			return nil
		}
		const n = 100
		for i := range n {
			b.handle(uint64(i)+1, message(i))
		}
		synctest.Wait()
		stopped := make(chan struct{})
		go func() {
			b.stop()
			close(stopped)
		}()
		synctest.Wait()
		b.mu().Lock()
		released := len(b.released)
		b.mu().Unlock()
		if released != n-doorsPerCall {
			b.t.Errorf("got %d released, want %d", released, n-doorsPerCall)
		}
		<-stopped
		if got := len(b.publishedIDs()); got != doorsPerCall {
			b.t.Errorf("got %d published, want %d", got, doorsPerCall)
		}
	})
}

// Events of waiting tasks take no more memory than they may, and whatever was let go of is there again when it is its turn.
func TestOnlySoManyEventsAreKept(t *testing.T) {
	bubble(t, Config{Concurrency: 1, KeptBytes: 3 * (3 << 10)}, func(b *bench) {
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			<-time.After(time.Second) // nothing is done before all is here
			return nil, nil
		}
		const n = 20
		for i := range n {
			e := message(i % 2)
			e.Payload = append(append([]byte(`"`), make([]byte, 1<<10-2)...), '"')
			b.handle(uint64(i)+1, e)
		}
		if got := b.sheds; got != n-3 {
			b.t.Errorf("got %d events shed, want all but 3 of %d", got, n)
		}
		after(time.Minute)
		if got := len(b.publishedIDs()); got != n {
			b.t.Errorf("got %d published, want %d", got, n)
		}
		for _, e := range b.published {
			if len(e.Payload) != 1<<10 {
				b.t.Errorf("%s: got %d bytes of payload, want the whole", e.ID, len(e.Payload))
			}
		}
		b.wantMetric("rollcall_enrich_kept_event_bytes 0")
	})
}

// A delivery that takes the place of an older one takes its place in what is kept, too.
func TestATaskDeliveredTwiceIsKeptOnce(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			<-time.After(time.Second)
			return nil, nil
		}
		first := b.add(1, message(1))
		for range 3 {
			again := *first
			b.Handle(&again)
		}
		synctest.Wait()
		event := message(1)
		b.Pipeline.mu.Lock()
		if got, want := b.kept, sizeOf(&event); got != want {
			b.t.Errorf("got %d bytes kept, want %d", got, want)
		}
		b.Pipeline.mu.Unlock()
		after(time.Minute)
		b.wantPublished("1")
		b.wantMetric("rollcall_enrich_kept_event_bytes 0")
	})
}

// What the head check has read is not lost where another delivery, which was shed, takes the task's place at that moment.
func TestATaskThatIsDeliveredAgainAndShedWhileItBecomesTheHead(t *testing.T) {
	event := message(1)
	bubble(t, Config{KeptBytes: sizeOf(&event)}, func(b *bench) {
		first := b.add(1, event)
		again := *first
		b.head = func(uint64) error {
			b.head = nil
			b.mu().Unlock()
			b.Handle(&again)
			b.mu().Lock()
			return nil
		}
		b.Handle(first)
		after(time.Minute)
		b.wantPublished("1")
		if got := b.published[0].Refs.MessageSID; got != event.Refs.MessageSID {
			b.t.Errorf("got message %q, want %q", got, event.Refs.MessageSID)
		}
		if b.sheds != 1 {
			b.t.Errorf("got %d events shed, want 1", b.sheds)
		}
	})
}
