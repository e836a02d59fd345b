package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/settings"
)

// sighting is one message that was stored at a stage.
type sighting struct {
	at      time.Time
	stage   events.Stage
	subject string
	data    []byte
	err     error // why it could not be decoded; then everything below is empty

	id     string
	event  events.Event
	roster *events.Roster     // enriched
	dead   *events.DeadLetter // dead
}

// sight decodes a message.
func sight(stage events.Stage, subject string, data []byte) sighting {
	s := sighting{at: time.Now(), stage: stage, subject: subject, data: data}
	switch stage {
	case events.StageEnriched:
		var e events.Enriched
		if e, s.err = events.DecodeEnriched(data); s.err == nil {
			s.id, s.event, s.roster = e.ID, e.Event, &e.Roster
		}
	case events.StageDead:
		var d events.DeadLetter
		if d, s.err = events.DecodeDead(data); s.err == nil {
			s.id, s.dead = d.ID, &d
		}
	default:
		s.event, s.err = events.DecodeRaw(data)
		s.id = s.event.ID
	}
	return s
}

// name returns Twilio's name for the event; "" when there is none.
func (s sighting) name() string {
	if s.dead != nil && s.dead.Event != nil {
		return s.dead.Event.Name
	}
	return s.event.Name
}

// stageOf returns the stage that a subject belongs to.
func stageOf(subject string) events.Stage {
	stage, _, _ := strings.Cut(strings.TrimPrefix(subject, "rollcall."), ".")
	return events.Stage(stage)
}

// everything returns the filter for every message at a stage.
func everything(stage events.Stage) string { return "rollcall." + string(stage) + ".>" }

// allStages returns everything for each stage.
func allStages() []string {
	return []string{everything(events.StageRaw), everything(events.StageEnriched), everything(events.StageDead)}
}

// dial connects to NATS as n says, with the inbox prefix of a consumer of events. The context that it returns ends when NATS denies something,
// which it tells out of band and not in answer to a request, or when the connection is closed; because says so.
func dial(ctx context.Context, n settings.NATS) (context.Context, *nats.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	options := []nats.Option{
		nats.Name("rollcall sandbox"), nats.CustomInboxPrefix("_INBOX_consumer"), nats.MaxReconnects(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if denial := broker.Denial(err); denial != nil {
				cancel(denial)
			}
		}),
		nats.ClosedHandler(func(conn *nats.Conn) { cancel(conn.LastError()) }),
	}
	if n.Creds != "" {
		options = append(options, nats.UserCredentials(n.Creds))
	}
	if n.NKeySeedFile != "" {
		seed, err := nats.NkeyOptionFromSeed(n.NKeySeedFile)
		if err != nil {
			return nil, nil, fmt.Errorf("read NATS_NKEY_SEED_FILE: %w", err)
		}
		options = append(options, seed)
	}
	conn, err := nats.Connect(n.URL, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to NATS: %w", broker.Unconnected(n.URL, err))
	}
	return ctx, conn, nil
}

// because returns what ended ctx, if that is more than that it was ended; else err.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// watcher follows what is published.
type watcher struct {
	seen chan sighting
	stop func() // ends it
}

// watch follows what is stored on the given subjects, each of one stage, beginning where policy says. It reads the streams instead of
// subscribing to subjects, so that it sees what is stored and nothing else.
func watch(ctx context.Context, conn *nats.Conn, policy jetstream.DeliverPolicy, subjects ...string) (*watcher, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{seen: make(chan sighting, 64)}
	var following []jetstream.ConsumeContext
	w.stop = sync.OnceFunc(func() {
		cancel()
		for _, f := range following {
			f.Stop()
			<-f.Closed()
		}
	})
	for _, subject := range subjects {
		f, err := w.follow(ctx, js, policy, subject)
		if err != nil {
			w.stop()
			return nil, err
		}
		following = append(following, f)
	}
	return w, nil
}

func (w *watcher) follow(
	ctx context.Context, js jetstream.JetStream, policy jetstream.DeliverPolicy, subject string,
) (jetstream.ConsumeContext, error) {
	stage := stageOf(subject)
	stream, err := js.StreamNameBySubject(ctx, everything(stage))
	if err != nil {
		return nil, fmt.Errorf("find the stream of %s events: %w", stage, err)
	}
	consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}, DeliverPolicy: policy})
	if err != nil {
		return nil, fmt.Errorf("follow %s events: %w", stage, err)
	}
	following, err := consumer.Consume(func(m jetstream.Msg) {
		select {
		case w.seen <- sight(stage, m.Subject(), m.Data()):
		case <-ctx.Done():
		}
	})
	if err != nil {
		return nil, fmt.Errorf("follow %s events: %w", stage, err)
	}
	return following, nil
}
