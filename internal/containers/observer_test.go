package containers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// outcomeTimeout is how long what was sent may take to come out on a busy machine.
const outcomeTimeout = time.Minute

// lower is a user's name, from its part of a variable's name.
func lower(user string) string { return strings.ToLower(user) }

// connect connects to NATS as user, whose password is its name.
func connect(t *testing.T, url, user string) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url, nats.UserInfo(user, user), nats.CustomInboxPrefix("_INBOX_"+user), nats.Timeout(5*time.Second))
	if err != nil {
		t.Fatalf("connect to NATS as %s: %v", user, err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// observer is a consumer, as anybody's would be: it reads what was enriched and what died.
type observer struct {
	seen     chan outcome
	outcomes map[string]outcome // by the event's id
	order    []string           // the ids that were enriched, in order
	twice    []string
}

// outcome is what became of one event.
type outcome struct {
	id       string
	enriched *events.Enriched
	dead     *events.DeadLetter
	err      error
}

// observe reads ENRICHED and DEAD from the beginning.
func observe(t *testing.T, url string) *observer {
	t.Helper()
	js := connect(t, url, "consumer")
	o := &observer{seen: make(chan outcome, 1024), outcomes: map[string]outcome{}}
	for stream, subjects := range map[string]string{"ROLLCALL_ENRICHED": "rollcall.enriched.>", "ROLLCALL_DEAD": "rollcall.dead.>"} {
		consumer, err := js.OrderedConsumer(t.Context(), stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subjects}})
		if err != nil {
			t.Fatalf("follow %s: %v", stream, err)
		}
		following, err := consumer.Consume(func(m jetstream.Msg) {
			select {
			case o.seen <- read(m.Subject(), m.Data()):
			case <-t.Context().Done():
			}
		})
		if err != nil {
			t.Fatalf("follow %s: %v", stream, err)
		}
		t.Cleanup(func() {
			following.Stop()
			<-following.Closed()
		})
	}
	return o
}

func read(subject string, data []byte) outcome {
	if strings.HasPrefix(subject, "rollcall.dead.") {
		d, err := events.DecodeDead(data)
		return outcome{id: d.ID, dead: &d, err: err}
	}
	e, err := events.DecodeEnriched(data)
	return outcome{id: e.ID, enriched: &e, err: err}
}

// await waits for what must come of the events, and says what is missing or wrong.
func (o *observer) await(ctx context.Context, wants ...sandbox.Want) (wrong []string) {
	ctx, cancel := context.WithTimeout(ctx, outcomeTimeout)
	defer cancel()
	for _, want := range wants {
		got, err := o.find(ctx, want.ID)
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Sprintf("%s (%s): %v", want.Name, want.ID, err))
		case got.dead != nil:
			wrong = append(wrong, want.CheckDead(*got.dead)...)
		default:
			wrong = append(wrong, want.CheckEnriched(*got.enriched)...)
		}
	}
	return wrong
}

// find returns the outcome of the event of that id, as soon as there is one.
func (o *observer) find(ctx context.Context, id string) (outcome, error) {
	for {
		if found, ok := o.outcomes[id]; ok {
			return found, nil
		}
		select {
		case next := <-o.seen:
			if next.err != nil {
				return outcome{}, fmt.Errorf("read what came out: %w", next.err)
			}
			o.note(next)
		case <-ctx.Done():
			return outcome{}, fmt.Errorf("nothing came out: %w", ctx.Err())
		}
	}
}

func (o *observer) note(next outcome) {
	if _, known := o.outcomes[next.id]; known {
		o.twice = append(o.twice, next.id)
	}
	o.outcomes[next.id] = next
	if next.enriched != nil {
		o.order = append(o.order, next.id)
	}
}

// stored is how many messages a stream has ever taken.
func stored(t *testing.T, js jetstream.JetStream, stream string) uint64 {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatalf("ask about %s: %v", stream, err)
	}
	return s.CachedInfo().State.LastSeq
}
