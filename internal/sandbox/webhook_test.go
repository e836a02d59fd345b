package sandbox

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

const public = "https://hooks.example.com/twilio"

func testKey() validation.Secret { return validation.NewSecret(testToken) }

// hook is an ingest that only checks signatures and parses.
type hook struct {
	*httptest.Server
	accepted chan events.Event
	rejected chan events.DeadLetter
}

func newHook(t *testing.T) hook {
	t.Helper()
	verifier, err := validation.NewVerifier([]string{public})
	if err != nil {
		t.Fatal(err)
	}
	h := hook{accepted: make(chan events.Event, 100), rejected: make(chan events.DeadLetter, 100)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		contentType := r.Header.Get("Content-Type")
		_, err = verifier.Verify(validation.Request{
			Method: r.Method, Target: r.RequestURI, ContentType: contentType,
			Signature: r.Header.Get("X-Twilio-Signature"), Body: body,
		}, []validation.Secret{testKey()})
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		feed := strings.TrimPrefix(r.URL.Path, "/webhooks/")
		accepted, rejected := events.Parse(events.Delivery{
			Feed: events.Feed(feed), Method: r.Method, ContentType: contentType, Query: r.URL.RawQuery, Body: body,
			IdempotencyToken: r.Header.Get("I-Twilio-Idempotency-Token"), Signer: []validation.SID{""}, ReceivedAt: time.Now(),
		})
		for _, e := range accepted {
			h.accepted <- e
		}
		for _, d := range rejected {
			h.rejected <- d
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h hook) sender() Sender {
	return Sender{Target: h.URL, Public: public, Key: testKey(), Client: h.Client()}
}

// sent returns what arrived for w, all of it accepted.
func (h hook) sent(t *testing.T, w Webhook, send func(context.Context, Webhook) (Answer, error)) []events.Event {
	t.Helper()
	answer, err := send(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != http.StatusOK {
		t.Fatalf("got answer %d to %s, want 200", answer.Status, w.Name)
	}
	var got []events.Event
	for range w.IDs {
		select {
		case e := <-h.accepted:
			got = append(got, e)
		case d := <-h.rejected:
			t.Fatalf("got dead letter %s (%v) for %s, want an event", d.Reason, d.Problems, w.Name)
		default:
			t.Fatalf("got %d events of %s, want %d", len(got), w.Name, len(w.IDs))
		}
	}
	return got
}

func TestEveryKindIsVerifiedAndParsed(t *testing.T) {
	h := newHook(t)
	cast := NewCast(SID("AC", "test"))
	at := time.Date(2026, 6, 10, 6, 2, 54, 0, time.UTC)
	feeds := map[events.Feed]int{}
	for _, k := range events.Kinds() {
		for _, feed := range Feeds(k) {
			t.Run(strings.Join([]string{string(feed), string(k.API), k.Resource, k.Action}, "/"), func(t *testing.T) {
				w, err := Sample(cast, k, feed, at)
				if err != nil {
					t.Fatal(err)
				}
				got := h.sent(t, w, h.sender().Send)[0]
				if got.API != k.API || got.Resource != k.Resource || got.Action != k.Action || got.PreAction != k.Pre {
					t.Errorf("got %s %s.%s pre %t, want %s %s.%s pre %t",
						got.API, got.Resource, got.Action, got.PreAction, k.API, k.Resource, k.Action, k.Pre)
				}
				if got.ID != w.IDs[0] {
					t.Errorf("got id %q, want %q", got.ID, w.IDs[0])
				}
				if got.Account != cast.Account {
					t.Errorf("got account %q, want %q", got.Account, cast.Account)
				}
				feeds[feed]++
			})
		}
	}
	if len(feeds) != 4 {
		t.Errorf("got kinds on %v, want all of the four feeds", feeds)
	}
}

func TestEveryFormFieldIsOneTwilioDocuments(t *testing.T) {
	cast := NewCast(SID("AC", "test"))
	values := cast.Values(time.Now()).with(cast.FlexValues(), Values{"Identity": "x", "Media": "[]", "MessagingBinding.ProjectedAddress": "x", "MessagingBinding.AuthorAddress": "x"})
	for _, k := range events.Kinds() {
		fields := conversationsFields(k.Name)
		if ownFeed(k.API) == events.FeedFlex {
			fields = flexFieldsOf(k.Name)
		}
		if fields == "" && ownFeed(k.API) != events.FeedOrchestrator && k.Name != "" {
			t.Errorf("got no fields for %s, want those of its page", k.Name)
		}
		for name := range strings.FieldsSeq(fields) {
			if values[name] == "" {
				t.Errorf("got no value for %s of %s, want one", name, k.Name)
			}
		}
	}
}

func TestOtherForms(t *testing.T) {
	h := newHook(t)
	cast := NewCast(SID("AC", "test"))
	form := ConversationsWebhook("onMessageAdded", cast.Values(time.Now()).with(Values{"Body": "it's + & % = 100 é"}))
	h.sent(t, form, h.sender().Send)
	h.sent(t, form.AsGet(), h.sender().Send)

	k, _ := events.KindOf("conversations", "participant", "added")
	item, err := StreamEvent(k, time.Now(), cast.Values(time.Now())).WithStringData()
	if err != nil {
		t.Fatal(err)
	}
	batch, err := StreamWebhook(item, StreamEvent(k, time.Now(), cast.Values(time.Now())))
	if err != nil {
		t.Fatal(err)
	}
	got := h.sent(t, batch, h.sender().Send)
	if got[0].Refs.ParticipantSID != cast.Dana.SID || got[1].Refs.ParticipantSID != cast.Dana.SID {
		t.Errorf("got refs %v and %v, want Dana's in both", got[0].Refs, got[1].Refs)
	}
}

func TestForgedIsRefused(t *testing.T) {
	h := newHook(t)
	w := FlexWebhook("onChannelCreated", NewCast(SID("AC", "test")).FlexValues())
	answer, err := h.sender().SendForged(t.Context(), w)
	if err != nil || answer.Status != http.StatusForbidden {
		t.Errorf("got %v and error %v, want 403", answer, err)
	}
	if len(h.accepted) != 0 {
		t.Errorf("got %d events, want none", len(h.accepted))
	}
}

func TestCurlSendsTheSame(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed: the printed command is not run")
	}
	h := newHook(t)
	cast := NewCast(SID("AC", "test"))
	v2, err := OrchestratorWebhook("CONVERSATION_CREATED", time.Now(), cast.V2Data())
	if err != nil {
		t.Fatal(err)
	}
	form := ConversationsWebhook("onMessageAdded", cast.Values(time.Now()).with(Values{"Body": `it's "$HOME" \n @x`}))
	for _, w := range []Webhook{form, form.AsGet(), v2} {
		got := h.sent(t, w, func(ctx context.Context, w Webhook) (Answer, error) {
			out, err := exec.CommandContext(ctx, "sh", "-c", h.sender().Curl(w)).CombinedOutput()
			if !strings.Contains(string(out), "answered 200\n") {
				t.Errorf("got %q, want the status of the answer", out)
			}
			return Answer{Status: http.StatusOK}, err
		})
		if got[0].ID != w.Token {
			t.Errorf("got id %q, want %q", got[0].ID, w.Token)
		}
	}
}

func TestScenarioShowsEverything(t *testing.T) {
	cast := NewCast(SID("AC", "test"))
	steps, err := Scenario(cast, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h := newHook(t)
	var rosters []events.RosterStatus
	feeds, lookups := map[events.Feed]bool{}, map[events.Lookup]bool{}
	for _, step := range steps {
		send := h.sender().Send
		if step.Forged {
			send = h.sender().SendForged
		}
		if answer, err := send(t.Context(), step.Webhook); err != nil || answer.Status != step.Status {
			t.Errorf("%s: got %d and error %v, want %d", step.Title, answer.Status, err, step.Status)
		}
		feeds[step.Webhook.Feed] = true
		for _, want := range step.Wants {
			rosters = append(rosters, want.Roster)
			select {
			case e := <-h.accepted:
				lookups[e.Kind().Lookup] = true
				if e.ID != want.ID || e.Name != want.Name {
					t.Errorf("%s: got event %s %q, want %s %q", step.Title, e.ID, e.Name, want.ID, want.Name)
				}
			case d := <-h.rejected:
				if d.ID != want.ID || d.Reason != want.Reason {
					t.Errorf("%s: got dead letter %s %q, want %s %q", step.Title, d.ID, d.Reason, want.ID, want.Reason)
				}
			default:
				t.Errorf("%s: got nothing, want an event", step.Title)
			}
		}
		for len(h.accepted) > 0 { // told a second time
			if e := <-h.accepted; len(step.Wants) > 0 {
				t.Errorf("%s: got %s, want nothing more", step.Title, e.Name)
			}
		}
	}
	if len(feeds) != 4 || len(lookups) != 5 {
		t.Errorf("got feeds %v and lookups %v, want all of them", feeds, lookups)
	}
	for _, want := range []events.RosterStatus{events.RosterResolved, events.RosterGone, events.RosterNotNeeded} {
		if !slices.Contains(rosters, want) {
			t.Errorf("got no roster that is %s, want one", want)
		}
	}
}
