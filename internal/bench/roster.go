package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/load"
	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/participants"
)

// The figures of a conversation that is full: 1,000 participants on 10 pages.
const (
	figureDecodeEncode = "1,000 participants, list them and encode the event, ms"
	figureReadStruct   = "1,000 participants, encoding/json reads the pages into a plain struct, ms"
	figureReadAny      = "1,000 participants, encoding/json reads the pages into any, ms"
	figureFullSize     = "1,000 participants, enriched event as stored, bytes"
)

// maxPayload is NATS's limit as deploy/nats has it.
const maxPayload = 8 << 20

// crowd is a conversation as full as can be.
func crowd() load.TrafficConfig {
	return load.TrafficConfig{Conversations: 1, Participants: 1000, Mix: load.MessagesAlone, MessageBytes: 1024, Seed: 7}
}

// participants measures what 1,000 of them cost, and sends an event of theirs the whole way.
func (b *Bench) participants(ctx context.Context) error {
	cfg := crowd()
	cfg.Cast = sandbox.NewCast(owner())
	traffic := load.NewTraffic(cfg)
	world := sandbox.NewWorld(cfg.Cast.State(token))
	world.Change(traffic.World)
	pages := &canned{twilio: sandbox.NewTwilio(world), pages: map[string][]byte{}}
	client, err := participants.New(participants.Config{ConversationsURL: "http://twilio.invalid", HTTPClient: &http.Client{Transport: pages}})
	if err != nil {
		return fmt.Errorf("measure 1,000 participants: %w", err)
	}
	var listed []participants.Participant
	list := func() (err error) {
		listed, err = client.ListConversation(ctx, participants.Credentials{Username: string(owner()), Password: token}, traffic.Conversation(0), "")
		return err
	}
	encode := func() error { return encodeEnriched(traffic, listed) }
	if err := errors.Join(list(), encode()); err != nil {
		return fmt.Errorf("measure 1,000 participants: %w", err)
	}
	if len(listed) != 1000 || len(pages.pages) != 10 {
		return fmt.Errorf("measure 1,000 participants: got %d on %d pages", len(listed), len(pages.pages))
	}
	for range b.size.rounds {
		for figure, do := range map[string]func() error{
			figureDecodeEncode: func() error { return errors.Join(list(), encode()) },
			figureReadStruct:   pages.read(func() any { return new(plainPage) }),
			figureReadAny:      pages.read(func() any { return new(any) }),
		} {
			if err := b.repeat(figure, do); err != nil {
				return fmt.Errorf("measure 1,000 participants: %w", err)
			}
		}
	}
	return b.fullEvent(ctx)
}

// repeat does something for a while and notes how long it takes once, in milliseconds.
func (b *Bench) repeat(figure string, do func() error) error {
	n, start, least := 0, time.Now(), time.Second
	if b.cfg.Short {
		least /= 20
	}
	for ; time.Since(start) < least; n++ {
		if err := do(); err != nil {
			return err
		}
	}
	b.found(defaultSync, figure, time.Since(start).Seconds()*1000/float64(n))
	return nil
}

func encodeEnriched(traffic *load.Traffic, listed []participants.Participant) error {
	w := traffic.Webhook(0)
	accepted, _ := events.Parse(events.Delivery{
		Feed: w.Feed, Method: w.Method, ContentType: w.ContentType, Body: w.Body, IdempotencyToken: w.Token, Signer: owners(), ReceivedAt: time.Now().UTC(),
	})
	_, err := events.EncodeEnriched(events.Enriched{Event: accepted[0], Roster: events.Roster{
		Status: events.RosterResolved, Lookup: events.LookupConversation, FetchedAt: time.Now().UTC(), Participants: listed,
	}})
	return err
}

// canned answers with what the fake Twilio said the first time, so that nobody pays for the fake.
type canned struct {
	twilio http.Handler
	pages  map[string][]byte // by URL
}

// RoundTrip implements http.RoundTripper.
func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	url := r.URL.String()
	if c.pages[url] == nil {
		answer := httptest.NewRecorder()
		r = r.Clone(r.Context())
		r.Host = r.URL.Host
		c.twilio.ServeHTTP(answer, r)
		if answer.Code != http.StatusOK {
			return nil, fmt.Errorf("the fake Twilio answered %d", answer.Code)
		}
		c.pages[url] = answer.Body.Bytes()
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(c.pages[url])), ContentLength: int64(len(c.pages[url])),
	}, nil
}

// read returns what lets encoding/json read each page once.
func (c *canned) read(into func() any) func() error {
	return func() error {
		for _, page := range c.pages {
			if err := json.Unmarshal(page, into()); err != nil {
				return err
			}
		}
		return nil
	}
}

// plainPage has the fields of a v1 page and none of its rules.
type plainPage struct {
	Meta struct {
		NextPageURL string `json:"next_page_url"`
	} `json:"meta"`
	Participants []struct {
		SID              string            `json:"sid"`
		URL              string            `json:"url"`
		Identity         string            `json:"identity"`
		RoleSID          string            `json:"role_sid"`
		Attributes       string            `json:"attributes"`
		AccountSID       string            `json:"account_sid"`
		DateCreated      string            `json:"date_created"`
		DateUpdated      string            `json:"date_updated"`
		ConversationSID  string            `json:"conversation_sid"`
		MessagingBinding map[string]string `json:"messaging_binding"`
		LastReadAt       string            `json:"last_read_timestamp"`
		LastReadIndex    *int64            `json:"last_read_message_index"`
	} `json:"participants"`
}

// fullEvent sends one webhook of a full conversation through the whole pipeline.
func (b *Bench) fullEvent(ctx context.Context) error {
	r, err := b.startRig(ctx, false, 0, crowd())
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.startEnricher(ctx); err != nil {
		return err
	}
	sub, err := r.nc.SubscribeSync("rollcall.enriched.>")
	if err != nil {
		return fmt.Errorf("follow enriched events: %w", err)
	}
	if err := r.queue(1, r.webhook); err != nil {
		return err
	}
	m, err := sub.NextMsg(feedPatience)
	if err != nil {
		return fmt.Errorf("wait for the event of 1,000 participants: %w", err)
	}
	e, err := events.DecodeEnriched(m.Data)
	if err != nil {
		return err
	}
	if len(e.Roster.Participants) != 1000 {
		return fmt.Errorf("got an event of %d participants, want 1,000", len(e.Roster.Participants))
	}
	b.found(defaultSync, figureFullSize, float64(len(m.Data)))
	return r.settle(ctx)
}
