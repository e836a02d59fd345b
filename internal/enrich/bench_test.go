package enrich

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// BenchmarkPipeline measures what the pipeline itself costs for an event: NATS and Twilio answer at once.
func BenchmarkPipeline(b *testing.B) {
	accounts := &ledger{cred: map[validation.SID]participants.Credentials{}}
	accounts.set(account, "user")
	p, err := New(Config{}, instantAPI{}, accounts, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	es := make([]events.Event, 256)
	for n := range es {
		es[n] = message(n)
	}
	var under sync.WaitGroup
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		under.Add(1)
		p.Handle(&instantTask{event: &es[i%256], seq: i, done: under.Done})
	}
	under.Wait()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

type instantAPI struct{ API }

func (instantAPI) ListConversation(context.Context, participants.Credentials, validation.SID, validation.SID) ([]participants.Participant, error) {
	return nil, nil
}

type instantTask struct {
	Task
	event *events.Event
	seq   uint64
	done  func()
}

func (t *instantTask) Context() context.Context           { return context.Background() }
func (t *instantTask) Event() events.Event                { return *t.event }
func (t *instantTask) Sequence() uint64                   { return t.seq }
func (t *instantTask) Head(context.Context) (bool, error) { return true, nil }
func (t *instantTask) Extend() error                      { return nil }
func (t *instantTask) Shed()                              {}
func (t *instantTask) Publish(context.Context, events.Enriched) error {
	t.done()
	return nil
}
