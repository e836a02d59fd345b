package enrich

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

func TestJudge(t *testing.T) {
	failure := func(f participants.Failure) error { return &participants.Error{Failure: f, Status: 200} }
	tests := map[string]struct {
		err  error
		want verdict
	}{
		"no error":      {nil, verdictUse},
		"400":           {status(400), verdictRefuse},
		"401":           {status(401), verdictHold},
		"403":           {status(403), verdictHold},
		"404":           {status(404), verdictAbsent},
		"405":           {status(405), verdictRefuse},
		"408":           {status(408), verdictRetry},
		"410":           {status(410), verdictAbsent},
		"422":           {status(422), verdictRefuse},
		"425":           {status(425), verdictRetry},
		"429":           {status(429), verdictSlow},
		"500":           {status(500), verdictRetry},
		"503":           {status(503), verdictRetry},
		"301":           {status(301), verdictSuspect},
		"transport":     {failure(participants.FailureTransport), verdictRetry},
		"contract":      {failure(participants.FailureContract), verdictSuspect},
		"paging":        {failure(participants.FailurePaging), verdictSuspect},
		"argument":      {failure(participants.FailureArgument), verdictRefuse},
		"too large":     {failure(participants.FailureTooLarge), verdictSuspect},
		"another error": {errors.New("unheard of"), verdictRetry},
	}
	for name, tt := range tests {
		if got := judge(tt.err); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

// What a call proves of the host and of the credentials depends on what came back, and not on what is done about it.
func TestOnlyAnAnswerProvesAnything(t *testing.T) {
	cut := &participants.Error{Failure: participants.FailureTransport, Status: 200}
	tests := map[string]struct {
		err              error
		answered, proven bool
	}{
		"no error":    {nil, true, true},
		"contract":    {&participants.Error{Failure: participants.FailureContract, Status: 200}, true, true},
		"paging":      {&participants.Error{Failure: participants.FailurePaging, Status: 200}, true, true},
		"cut":         {cut, true, true},
		"302":         {status(302), true, false},
		"400":         {status(400), true, true},
		"401":         {status(401), true, false},
		"403":         {status(403), true, false},
		"404":         {status(404), true, true},
		"408":         {status(408), true, false}, // of whoever did not get the request
		"422":         {status(422), true, true},
		"425":         {status(425), true, false},
		"429":         {status(429), true, false},
		"503":         {status(503), true, false},
		"unreachable": {&participants.Error{Failure: participants.FailureTransport}, false, false},
		"argument":    {&participants.Error{Failure: participants.FailureArgument}, false, false},
		"panic":       {&participants.Error{Failure: participants.FailureContract, Operation: string(inCall)}, false, false},
	}
	for name, tt := range tests {
		e := asFailure(tt.err)
		if got := hasAnswer(e); got != tt.answered {
			t.Errorf("%s: got answered %v, want %v", name, got, tt.answered)
		}
		if got := provesCredentials(e); got != tt.proven {
			t.Errorf("%s: got proven %v, want %v", name, got, tt.proven)
		}
	}
}

// unproven are the ends of a call after which nothing is known of the credentials, and whether the host has answered.
func unproven() map[string]struct {
	end      func() error
	answered bool
} {
	return map[string]struct {
		end      func() error
		answered bool
	}{
		"302":      {func() error { return status(302) }, true},
		"argument": {func() error { return &participants.Error{Failure: participants.FailureArgument} }, false},
		"panic":    {func() error { panic("an answer that breaks the decoder") }, false},
	}
}

func TestACallThatProvesNothingLiftsNoHold(t *testing.T) {
	for name, tt := range unproven() {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(b *bench) {
				var right atomic.Bool
				b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
					switch {
					case q.within == string(sid("CH", 1)) && b.api.count() > 1:
						return nil, tt.end()
					case !right.Load():
						return nil, status(401)
					}
					return nil, nil
				}
				b.handle(1, message(1))
				for b.api.count() < 2 {
					after(time.Second)
				}
				b.wantReady(string(account))
				// It has its tries all the same, and what else waits for the account goes on as soon as it may.
				b.handle(2, message(2), message(3))
				after(10 * time.Minute)
				b.bubbleLetter(b.letters[0].Reason)
				b.wantPublished()
				right.Store(true)
				after(time.Minute)
				if got := len(b.publishedIDs()); got != 2 {
					b.t.Errorf("got %d events after the credentials were put right, want 2", got)
				}
				b.wantReady()
			})
		})
	}
}

func TestACallWithoutAnAnswerEndsNoOutage(t *testing.T) {
	for name, tt := range unproven() {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(b *bench) {
				var well atomic.Bool
				b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
					switch {
					case q.lookup == events.LookupV2:
						return nil, tt.end()
					case !well.Load():
						return nil, &participants.Error{Failure: participants.FailureTransport}
					}
					return nil, nil
				}
				for n := range breakerCalls {
					b.handle(uint64(n+1), message(n))
				}
				synctest.Wait()
				h := b.gate.hosts[hostConversations]
				if h.breaker.IsClosed() {
					b.t.Fatal("got a closed breaker, want it open")
				}
				<-time.After(h.breaker.RemainingDelay())
				h.breaker.HalfOpen()
				l := newLane(b.Pipeline, "another")
				if a := l.ask(b.t.Context(), call{lookup: events.LookupV2, account: account, within: "conv_1"}); a.answer == nil {
					b.t.Fatalf("got %+v, want the call made", a)
				}
				if got := h.breaker.IsClosed(); got != tt.answered {
					b.t.Errorf("got the breaker closed %v, want %v", got, tt.answered)
				}
				if got := h.outage(); got == tt.answered {
					b.t.Errorf("got an outage %v, want %v", got, !tt.answered)
				}
				well.Store(true)
				after(5 * time.Minute) // the next one is let through
				if got := len(b.publishedIDs()); got != breakerCalls {
					b.t.Errorf("got %d events after the outage, want %d", got, breakerCalls)
				}
			})
		})
	}
}

func TestTransientFailuresAreTriedAgain(t *testing.T) {
	tests := map[string]error{
		"500":      status(500),
		"429":      status(429),
		"timeout":  &participants.Error{Failure: participants.FailureTransport, Err: context.DeadlineExceeded},
		"contract": &participants.Error{Failure: participants.FailureContract},
	}
	for name, err := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(b *bench) {
				b.api.answer = failing(3, err)
				b.handle(1, message(1), message(1))
				after(5 * time.Minute)
				b.wantPublished("1", "2")
				b.wantCalls(4)
				if !strings.Contains(b.logged.String(), "attempts=4") {
					b.t.Errorf("got log %s, want one line for the event with its attempts", b.logged)
				}
			})
		})
	}
}

func TestPermanentFailuresAreBuried(t *testing.T) {
	problems := validation.Problems{{Field: "participants[0].sid", Rule: "sid=MB"}}
	tests := map[string]struct {
		err      error
		reason   events.Reason
		attempts int
		detail   string
	}{
		"400":      {status(400), events.ReasonRefused, 1, "status 400, code 40000"},
		"404":      {status(404), events.ReasonNotFound, 1, "status 404, code 40400"},
		"contract": {&participants.Error{Failure: participants.FailureContract, Status: 200, Problems: problems}, events.ReasonContract, 4, "contract"},
		"paging":   {&participants.Error{Failure: participants.FailurePaging, Status: 200}, events.ReasonContract, 4, "paging"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(b *bench) {
				b.api.answer = failing(100, tt.err)
				b.handle(1, message(1))
				after(5 * time.Minute)
				d := b.wantLetter(tt.reason, tt.attempts)
				if !strings.Contains(d.Detail, tt.detail) || strings.Contains(d.Detail, "outside") {
					b.t.Errorf("got detail %q, want %q in it and nothing from outside", d.Detail, tt.detail)
				}
				if tt.attempts == 4 && name == "contract" && len(d.Problems) != 1 {
					b.t.Errorf("got problems %v, want %v", d.Problems, problems)
				}
				b.wantMetric(`rollcall_enrich_events_total{api="conversations",outcome="` + string(tt.reason) + `"} 1`)
			})
		})
	}
}

func TestAfterABuriedEventTheConversationMovesOn(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = failing(1, status(400))
		b.handle(1, message(1))
		synctest.Wait()
		b.handle(2, message(1))
		synctest.Wait()
		b.wantLetter(events.ReasonRefused, 1)
		b.wantPublished("2")
	})
}

func TestRetryAfterIsHonouredAndBounded(t *testing.T) {
	tests := map[string]struct{ told, least, most time.Duration }{
		"told":     {20 * time.Second, 20 * time.Second, 23 * time.Second},
		"too long": {time.Hour, retryAfterMax, retryAfterMax * 12 / 10},
		"not told": {0, 0, time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(b *bench) {
				b.api.answer = failing(1, &participants.Error{Failure: participants.FailureStatus, Status: 429, RetryAfter: tt.told})
				b.handle(1, message(1))
				began := time.Now()
				for len(b.publishedIDs()) == 0 && time.Since(began) < tt.most+time.Second {
					after(100 * time.Millisecond)
				}
				if took := time.Since(began); took < tt.least || took > tt.most {
					b.t.Errorf("got tried again after %v, want within %v and %v", took, tt.least, tt.most)
				}
			})
		})
	}
}

func TestAHeadThatNeverSucceedsIsOverdue(t *testing.T) {
	bubble(t, Config{HeadTimeout: 2 * time.Minute}, func(b *bench) {
		b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			if time.Since(b.letterTime()) < time.Hour { // the second event is fine
				return nil, nil
			}
			return nil, status(503)
		}
		b.handle(1, message(1), message(1))
		began := time.Now()
		after(4 * time.Minute)
		b.bubbleLetter(events.ReasonOverdue)
		if late := b.letterTime().Sub(began); late < 2*time.Minute || late > 3*time.Minute {
			b.t.Errorf("got buried after %v, want soon after 2m", late)
		}
		b.wantPublished("2")
	})
}

func (b *bench) letterTime() time.Time {
	b.mu().Lock()
	defer b.mu().Unlock()
	if len(b.letters) == 0 {
		return time.Time{}
	}
	return b.letters[0].FailedAt
}

func (b *bench) bubbleLetter(reason events.Reason) {
	b.t.Helper()
	if len(b.letters) != 1 || b.letters[0].Reason != reason || b.letters[0].Attempts == 0 {
		b.t.Errorf("got letters %+v, want one for %s", b.letters, reason)
	}
}

func TestTheBreakerSparesAnUnwellHost(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		well := time.Now().Add(5 * time.Minute)
		b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			if q.lookup == events.LookupConversation && time.Now().Before(well) {
				return nil, status(503)
			}
			return nil, nil
		}
		for n := range 100 {
			b.handle(uint64(n+1), message(n))
		}
		after(time.Minute)
		b.wantMetric(`rollcall_enrich_breaker_open{host="conversations"} 1`)
		b.wantMetric(`rollcall_enrich_breaker_open{host="flex"} 0`)
		if got := b.api.count(); got > 150 {
			b.t.Errorf("got %d calls to an unwell host in a minute, want few more than the first 100", got)
		}
		b.handle(1000, events.Event{
			API: participants.Flex, Resource: "channel", Action: "created", Account: account,
			Refs: events.Refs{InteractionSID: sid("KD", 1), ChannelSID: sid("UO", 1)},
		})
		synctest.Wait()
		b.wantPublished("1000") // the other host is well
		before := b.api.count()
		after(5 * time.Minute)
		if got := len(b.publishedIDs()); got != 101 {
			b.t.Errorf("got %d events after the outage, want 101", got)
		}
		if got := b.api.count() - before; got > 200 {
			b.t.Errorf("got %d calls for the rest of the outage and after it, want about one for each conversation", got)
		}
	})
}

func TestLogsTellNothingPersonal(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = failing(1, status(400))
		b.handle(1, message(1))
		synctest.Wait()
		got := b.logged.String()
		for _, want := range []string{"event_id=event-1", "api=conversations", "resource=message", "action=added", "outcome=refused", "status=400", "code=40000", "request_id=RQ1", "attempts=1"} {
			if !strings.Contains(got, want) {
				b.t.Errorf("got log %s, want %s in it", got, want)
			}
		}
		for _, bad := range []string{"secret words", "words from outside", "token"} {
			if strings.Contains(got, bad) {
				b.t.Errorf("got log %s, want nothing personal in it", got)
			}
		}
		if n := strings.Count(got, "\n"); n != 1 {
			b.t.Errorf("got %d log lines, want 1", n)
		}
	})
}
