package enrich

import (
	"context"
	"errors"
	"strings"
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
		"contract": {&participants.Error{Failure: participants.FailureContract, Problems: problems}, events.ReasonContract, 4, "contract"},
		"paging":   {&participants.Error{Failure: participants.FailurePaging}, events.ReasonContract, 4, "paging"},
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
