package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

func TestEveryFeedIsStored(t *testing.T) {
	tests := map[string]struct {
		webhook webhook
		subject string
	}{
		"post-action":     {messageAdded(), "rollcall.raw.conversations.message.added." + chat},
		"pre-action":      {participantAdd(), "rollcall.raw.conversations.participant.add." + chat},
		"by get":          {get(conversations, "EventType", "onMessageRemoved", "AccountSid", account, "ConversationSid", chat, "MessageSid", "IM0123456789abcdef0123456789abcdef"), "rollcall.raw.conversations.message.removed." + chat},
		"unknown type":    {form(conversations, "EventType", "x.*.>", "AccountSid", account, "ConversationSid", chat), "rollcall.raw.conversations.unknown.unknown." + chat},
		"repeated key":    {messageAdded("Media", "a", "Media", "b"), "rollcall.raw.conversations.message.added." + chat},
		"query in target": {form(conversations+"?a=b%20c", "EventType", "onMessageAdded", "AccountSid", account, "ConversationSid", chat, "MessageSid", "IM0123456789abcdef0123456789abcdef"), "rollcall.raw.conversations.message.added." + chat},
		"JSON":            {jsonBody(conversations, `{"EventType":"onConversationUpdated","AccountSid":"`+account+`","ConversationSid":"`+chat+`"}`), "rollcall.raw.conversations.conversation.updated." + chat},
		"flex, JSON":      {jsonBody(flex, `{"EventType":"onInteractionCreated","AccountSid":"`+account+`","InteractionSid":"KD0123456789abcdef0123456789abcdef"}`), "rollcall.raw.flex.interaction.created."},
		"flex":            {form(flex, "EventType", "onParticipantJoined", "AccountSid", account, "InteractionSid", "KD0123456789abcdef0123456789abcdef", "ChannelSid", "UO0123456789abcdef0123456789abcdef", "ParticipantSid", "UT0123456789abcdef0123456789abcdef", "MediaChannelSid", chat), "rollcall.raw.flex.participant.joined."},
		"orchestrator":    {jsonBody(orchestrator, `{"eventType":"CONVERSATION_UPDATED","timestamp":"2025-11-18T00:00:01.000Z","data":{"id":"conv_conversation_01k1etk2y5f1y9fpe2epfdtvv2","accountId":"`+account+`"}}`), "rollcall.raw.orchestrator.conversation.updated.conv_conversation_01k1etk2y5f1y9fpe2epfdtvv2"},
		"event streams":   {jsonBody(eventStreams, "["+cloudEvent("EZ0123456789abcdef0123456789abcdef", "Hi")+"]"), "rollcall.raw.conversations.message.added." + chat},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := start(t, Config{}, nil, nil)
			r.wantStatus(t, tt.webhook, http.StatusOK)
			stored, letters := r.shelf.held()
			if len(stored) != 1 || len(letters) != 0 {
				t.Fatalf("got %d events and %d dead letters, want one event\n%s", len(stored), len(letters), r.log.String())
			}
			if got := stored[0].Subject(events.StageRaw); !strings.HasPrefix(got, tt.subject) {
				t.Errorf("got subject %s, want %s", got, tt.subject)
			}
		})
	}
}

func TestIdempotencyTokenIsTheID(t *testing.T) {
	r := start(t, Config{}, nil, nil)
	w := messageAdded()
	w.header = http.Header{"I-Twilio-Idempotency-Token": {"token-1"}}
	r.wantStatus(t, w, http.StatusOK)
	w.header = http.Header{"I-Twilio-Idempotency-Token": {"token-1", "token-2"}}
	r.wantStatus(t, w, http.StatusOK)
	stored, _ := r.shelf.held()
	if len(stored) != 2 || stored[0].ID != "token-1" || !strings.HasPrefix(stored[1].ID, "sha256:") {
		t.Errorf("got %v, want the token as ID, and a digest where there are two tokens", stored)
	}
}

func TestUntrustedIsRefusedAndNotStored(t *testing.T) {
	changed := jsonBody(orchestrator, `{"eventType":"X","data":{}}`).sign(token)
	changed.body = `{"eventType":"Y","data":{}}`
	bare := webhook{method: http.MethodPost, target: orchestrator, media: mediaJSON, body: `{}`}
	tampered := messageAdded().sign(token)
	tampered.body += "x"
	tests := map[string]struct {
		webhook webhook
		status  int
		outcome outcome
	}{
		"no signature":          {webhook{method: "POST", target: conversations, media: mediaForm, body: "a=b", signature: "none"}, 403, unsigned},
		"another key":           {messageAdded().sign("another"), 403, forged},
		"tampered body":         {tampered, 403, forged},
		"altered JSON":          {changed, 403, altered},
		"no body hash":          {bare, 403, unhashed},
		"unhashed JSON":         {webhook{method: "POST", target: conversations, media: mediaJSON, body: "{}"}, 403, unhashed},
		"JSON as a form":        {webhook{method: "POST", target: jsonBody(flex, "{}").target, media: mediaForm, body: "{}", signature: jsonBody(flex, "{}").sign(token).signature}, 403, forged},
		"form to orchestrator":  {webhook{method: "POST", target: orchestrator, media: mediaForm, body: "a=b"}, 415, badMedia},
		"form to event streams": {webhook{method: "POST", target: eventStreams, media: mediaForm, body: "a=b"}, 415, badMedia},
		"multipart":             {webhook{method: "POST", target: conversations, media: "multipart/form-data; boundary=x", body: "--x--"}, 415, badMedia},
		"put":                   {webhook{method: "PUT", target: conversations, media: mediaForm, body: "a=b"}, 405, badMethod},
		"get of orchestrator":   {webhook{method: "GET", target: orchestrator}, 405, badMethod},
		"options":               {webhook{method: "OPTIONS", target: flex}, 405, badMethod},
		"made-up method":        {webhook{method: "BREW", target: flex}, 405, badMethod},
		"other path":            {webhook{method: "POST", target: "/favicon.ico", media: mediaForm, body: "a=b"}, 404, noRoute},
		"other path, as long":   {webhook{method: "POST", target: "/webhooksconversations", media: mediaForm, body: "a=b"}, 404, noRoute},
		"no feed's path":        {webhook{method: "POST", target: "/webhooks", media: mediaForm, body: "a=b"}, 404, wrongPath},
		"slash at the end":      {webhook{method: "POST", target: conversations + "/?a=b", media: mediaForm, body: "a=b"}, 404, wrongPath},
		"two slashes":           {webhook{method: "GET", target: "/webhooks//flex"}, 404, wrongPath},
		"capitals":              {webhook{method: "POST", target: "/Webhooks/Flex", media: mediaForm, body: "a=b"}, 404, wrongPath},
		"a proxy's prefix":      {webhook{method: "POST", target: "/rollcall" + conversations, media: mediaForm, body: "a=b"}, 404, wrongPath},
		"too large":             {form(conversations, "a", strings.Repeat("b", 2000)), 413, tooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := start(t, Config{MaxBody: 1024}, nil, nil)
			a := r.wantStatus(t, tt.webhook, tt.status)
			if allow := a.header.Get("Allow"); (tt.status == 405) != (allow != "") || strings.Contains(allow, "OPTIONS") {
				t.Errorf("got Allow %q with status %d", allow, a.status)
			}
			r.shelf.wantEmpty(t)
			r.wantCounted(t, tt.outcome)
		})
	}
}

func TestContentTypes(t *testing.T) {
	for media, status := range map[string]int{
		"application/x-www-form-urlencoded":                200,
		"application/x-www-form-urlencoded; charset=UTF-8": 200,
		"Application/X-WWW-Form-URLencoded":                200,
		"":                                                 200,
		"application/x-www-form-urlencodedx":               415,
		"text/plain":                                       415,
		"/":                                                415,
	} {
		r := start(t, Config{}, nil, nil)
		w := messageAdded().sign(token)
		w.media = media
		if got := r.send(t, w).status; got != status {
			t.Errorf("got %d for %q, want %d", got, media, status)
		}
	}
	r := start(t, Config{}, nil, nil)
	w := jsonBody(eventStreams, "["+cloudEvent("EZ1", "x")+"]")
	w.media = "application/cloudevents-batch+json"
	r.wantStatus(t, w, http.StatusOK)
}

func TestKeysAreAskedForEachTime(t *testing.T) {
	current := token
	r := start(t, Config{}, ring(func() ([]validation.Secret, []validation.SID) { return keys(current, account)() }), nil)
	r.wantStatus(t, messageAdded(), http.StatusOK)
	current = "rotated"
	r.wantStatus(t, messageAdded().sign(token), http.StatusForbidden)
	r.wantStatus(t, messageAdded().sign("rotated"), http.StatusOK)
}

func TestSignerIsEveryAccountOfTheKey(t *testing.T) {
	r := start(t, Config{}, keys("k1", other, "shared", other, "shared", account), nil)
	r.wantStatus(t, messageAdded().sign("shared"), http.StatusOK)
	r.wantStatus(t, messageAdded().sign("k1"), http.StatusOK)
	stored, letters := r.shelf.held()
	if len(stored) != 1 || stored[0].Account != account {
		t.Errorf("got %v, want the event of the account that shares the key", stored)
	}
	if len(letters) != 1 || letters[0].Reason != events.ReasonForeignAccount {
		t.Errorf("got %v, want a dead letter for the account that has another key", letters)
	}
}

func TestGenuineButUnreadableIsBuried(t *testing.T) {
	r := start(t, Config{}, nil, nil)
	r.wantStatus(t, jsonBody(orchestrator, `{"eventType":`), http.StatusOK)
	r.wantStatus(t, jsonBody(eventStreams, `[`+cloudEvent("EZ1", "a")+`,7,`+cloudEvent("EZ2", "b")+`]`), http.StatusOK)
	stored, letters := r.shelf.held()
	if len(stored) != 2 || len(letters) != 2 || string(letters[0].Body) != `{"eventType":` {
		t.Errorf("got %d events and %v, want 2 and 2 dead letters", len(stored), letters)
	}
	r.wantCounted(t, buried)
}

var errAway = errors.New("away")

func TestWhatCannotBeStored(t *testing.T) {
	tests := map[string]struct {
		webhook webhook
		status  int
		outcome outcome
	}{
		"post-action":      {messageAdded(), 503, notStored},
		"pre-action":       {participantAdd(), 200, lost},
		"unknown type":     {form(conversations, "EventType", "onTypingStart", "AccountSid", account), 200, lost},
		"unreadable":       {form(conversations, "a", "b", "AccountSid", "\xff"), 200, lost},
		"invalid":          {form(conversations, "EventType", "onMessageAdded", "AccountSid", account, "ConversationSid", "x"), 503, notStored},
		"invalid pre":      {form(conversations, "EventType", "onMessageAdd", "AccountSid", account, "ConversationSid", "x"), 200, lost},
		"flex":             {form(flex, "EventType", "onInteractionCreated", "AccountSid", account, "InteractionSid", "KD0123456789abcdef0123456789abcdef"), 503, notStored},
		"flex unknown":     {form(flex, "EventType", "onNew", "AccountSid", account), 503, notStored},
		"bad orchestrator": {jsonBody(orchestrator, `{`), 503, notStored},
		"event streams":    {jsonBody(eventStreams, "["+cloudEvent("EZ1", "x")+"]"), 503, notStored},
	}
	for name, tt := range tests {
		for _, panics := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				r := start(t, Config{}, nil, func(r *rig) {
					fail := func() error {
						if panics {
							panic("secret body")
						}
						return errAway
					}
					r.shelf.put = func(context.Context, events.Event) error { return fail() }
					r.shelf.bury = func(context.Context, events.DeadLetter) error { return fail() }
				})
				r.wantStatus(t, tt.webhook, tt.status)
				r.wantCounted(t, tt.outcome)
				if log := r.log.String(); strings.Contains(log, "secret body") || strings.Contains(log, "stack") != panics {
					t.Errorf("got log %s", log)
				}
			})
		}
	}
}

type tooLargeError struct{ error }

func (tooLargeError) TooLarge() bool { return true }

func TestAnEventThatIsTooLargeToStoreIsBuried(t *testing.T) {
	r := start(t, Config{}, nil, func(r *rig) {
		r.shelf.put = func(context.Context, events.Event) error { return fmt.Errorf("put: %w", tooLargeError{errAway}) }
	})
	large := strings.Repeat("x", 1000)
	r.wantStatus(t, messageAdded("Large", large), http.StatusOK)
	stored, letters := r.shelf.held()
	if len(stored) != 0 || len(letters) != 1 {
		t.Fatalf("got %d events and %+v, want one dead letter", len(stored), letters)
	}
	d := letters[0]
	if d.Reason != events.ReasonTooLarge || d.Event == nil || d.ID != d.Event.ID || !strings.Contains(string(d.Event.Payload), large) || d.Account != account || d.Feed != events.FeedConversations {
		t.Errorf("got %+v, want one for its size with the whole event, of which the store keeps what fits", d)
	}
	r.wantCounted(t, buried)
}

func TestBatchIsRefusedWhenOneItemIsNotStored(t *testing.T) {
	r := start(t, Config{}, nil, func(r *rig) {
		r.shelf.put = func(_ context.Context, e events.Event) error {
			if e.ID == "EZ2" {
				return errAway
			}
			return nil
		}
	})
	r.wantStatus(t, jsonBody(eventStreams, "["+cloudEvent("EZ1", "a")+","+cloudEvent("EZ2", "b")+","+cloudEvent("EZ3", "c")+"]"), 503)
	if stored, _ := r.shelf.held(); len(stored) != 1 || stored[0].ID != "EZ1" {
		t.Errorf("got %v, want the first stored and none after the second", stored)
	}
}

func TestPanicInTheParserIsBuried(t *testing.T) {
	r := start(t, Config{}, nil, func(r *rig) {
		r.parse = func(events.Delivery) ([]events.Event, []events.DeadLetter) { panic(errors.New("Hello")) }
	})
	w := messageAdded()
	w.media += "; x=" + strings.Repeat("y", 5000)
	r.wantStatus(t, w, http.StatusOK)
	_, letters := r.shelf.held()
	if len(letters) != 1 || string(letters[0].Body) != w.body || letters[0].Reason != events.ReasonUnparseable {
		t.Fatalf("got %v, want the body as evidence", letters)
	}
	if d := letters[0]; d.ID != events.Digest(d.Body) || d.Account != account || len(d.ContentType) != events.MaxName || d.Detail != "parsing panicked" {
		t.Errorf("got %s, %s, %d bytes of content type, %s; want what any delivery that cannot be parsed has", d.ID, d.Account, len(d.ContentType), d.Detail)
	}
	if log := r.log.String(); !strings.Contains(log, "panic (*errors.errorString)") || strings.Contains(log, "Hello") {
		t.Errorf("got log %s, want the panic without its value", log)
	}
}

func TestPanicBeforeTrust(t *testing.T) {
	r := start(t, Config{}, ring(func() ([]validation.Secret, []validation.SID) { panic("x") }), nil)
	for range 2 * maxLargeBodies { // what a large body holds must be given back
		r.wantStatus(t, messageAdded("Body", strings.Repeat("x", 2*smallBody)), http.StatusInternalServerError)
	}
	r.shelf.wantEmpty(t)
	r.wantCounted(t, panicked)
}

func TestStoreGetsWhatIsLeftOfTheTime(t *testing.T) {
	var left time.Duration
	r := start(t, Config{StoreTimeout: 100 * time.Millisecond, BodyTimeout: 50 * time.Millisecond}, nil, func(r *rig) {
		r.shelf.put = func(ctx context.Context, _ events.Event) error {
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
			<-ctx.Done()
			return ctx.Err()
		}
	})
	r.wantStatus(t, messageAdded(), http.StatusServiceUnavailable)
	if left <= 0 || left > 100*time.Millisecond {
		t.Errorf("got %v for the store, want at most the store timeout", left)
	}
	r.wantStatus(t, participantAdd(), http.StatusOK)
}

func TestSenderThatHangsUpIsStoredAllTheSame(t *testing.T) {
	began, noticed := make(chan struct{}), make(chan struct{})
	r := start(t, Config{}, nil, func(r *rig) {
		handler := r.handler
		r.handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			context.AfterFunc(req.Context(), func() { close(noticed) })
			handler.ServeHTTP(w, req)
		})
		r.shelf.put = func(ctx context.Context, _ events.Event) error {
			close(began)
			<-noticed
			return ctx.Err()
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	w := messageAdded().sign(token)
	req, _ := http.NewRequestWithContext(ctx, w.method, "http://"+r.addr+w.target, strings.NewReader(w.body))
	req.Header.Set("Content-Type", w.media)
	req.Header.Set("X-Twilio-Signature", w.signature)
	done := make(chan error, 1)
	go func() {
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	<-began
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the request cancelled", err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if stored, _ := r.shelf.held(); len(stored) != 1 {
		t.Errorf("got %d events, want the one", len(stored))
	}
}

func TestNewReportsEveryProblem(t *testing.T) {
	_, err := New(Config{PublicURLs: []string{"nothing"}, MaxBody: 1, BodyTimeout: -1, StoreTimeout: 6 * time.Second, StopTimeout: -1, MaxConnections: -1}, nil, nil, nil, nil)
	for _, field := range []string{"PublicURLs", "MaxBody", "BodyTimeout", "StoreTimeout", "StopTimeout", "MaxConnections"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("got %v, want a problem with %s", err, field)
		}
	}
	if _, err := New(Config{}, nil, nil, nil, nil); err == nil || err.Error() != "PublicURLs is not given: give the URL that Twilio posts to, without the route: https://hooks.example.com" {
		t.Errorf("got %v, want the missing URL alone", err)
	}
}

func TestAPublicURLWithTheRouteIsAProblem(t *testing.T) {
	for url, want := range map[string]string{
		base + conversations:              conversations,
		base + "/twilio" + flex + "/":     flex,
		base + "/webhooks":                "",
		base + conversations + "/archive": "",
	} {
		_, err := New(Config{PublicURLs: []string{base, url}}, nil, nil, slog.New(slog.DiscardHandler), nil)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), "PublicURLs ends in the route "+want+": give what comes before it")) {
			t.Errorf("got %v for %s, want a problem with %q", err, url, want)
		}
	}
}

func TestTwoServicesCannotShareARegistry(t *testing.T) {
	r := start(t, Config{}, nil, nil)
	if _, err := New(Config{PublicURLs: []string{base}}, r.shelf, keys(token, account), r.Service.log, r.reg); err == nil {
		t.Error("got no error for metrics that are there already")
	}
	if _, err := New(Config{PublicURLs: []string{base}}, r.shelf, keys(token, account), r.Service.log, nil); err != nil {
		t.Errorf("got %v without a registry, want none", err)
	}
}
