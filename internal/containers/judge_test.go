package containers

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/load"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// judge reads every stream, over a connection that outlives what happens to NATS.
type judge struct {
	t      *testing.T
	js     jetstream.JetStream
	stored *load.Stored // since the judge came
}

func (s *stack) judge(t *testing.T) judge {
	t.Helper()
	conn, err := nats.Connect(s.nats.MustConnectionString(t.Context()), nats.UserInfo("judge", "judge"),
		nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.Timeout(5*time.Second))
	if err != nil {
		t.Fatalf("connect to NATS as the judge: %v", err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := load.Mark(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	return judge{t, js, stored}
}

// messages returns how many a stream holds; -1 when NATS does not say.
func (j judge) messages(stream string) int {
	ctx, cancel := context.WithTimeout(j.t.Context(), 2*time.Second)
	defer cancel()
	s, err := j.js.Stream(ctx, stream)
	if err != nil {
		return -1
	}
	return int(s.CachedInfo().State.Msgs)
}

// count returns how many events of a stage there are; -1 when NATS does not say.
func (j judge) count(stage events.Stage) int {
	ctx, cancel := context.WithTimeout(j.t.Context(), 2*time.Second)
	defer cancel()
	n, err := j.stored.Count(ctx, stage)
	if err != nil {
		return -1
	}
	return n
}

// enrichedSince reports whether what came out last was received after some moment.
func (j judge) enrichedSince(moment time.Time) bool {
	ctx, cancel := context.WithTimeout(j.t.Context(), 2*time.Second)
	defer cancel()
	s, err := j.js.Stream(ctx, "ROLLCALL_ENRICHED")
	if err != nil {
		return false
	}
	m, err := s.GetLastMsgForSubject(ctx, "rollcall.enriched.>")
	if err != nil {
		return false
	}
	e, err := events.DecodeEnriched(m.Data)
	return err == nil && e.ReceivedAt.After(moment)
}

// hasEnriched reports whether anything of a conversation has come out.
func (j judge) hasEnriched(conversation string) bool {
	ctx, cancel := context.WithTimeout(j.t.Context(), 2*time.Second)
	defer cancel()
	s, err := j.js.Stream(ctx, "ROLLCALL_ENRICHED")
	if err != nil {
		return false
	}
	_, err = s.GetLastMsgForSubject(ctx, events.Pattern(events.StageEnriched, "", "", "", conversation))
	return err == nil
}

// queueFollows reports whether QUEUE is given what RAW stores. A server that starts may see to that late, by itself.
func (j judge) queueFollows() bool {
	ctx, cancel := context.WithTimeout(j.t.Context(), 2*time.Second)
	defer cancel()
	s, err := j.js.Stream(ctx, "ROLLCALL_QUEUE")
	return err == nil && len(s.CachedInfo().Sources) == 1 && s.CachedInfo().Sources[0].Active >= 0
}

// isSettled reports whether as much has come out as is owed.
func (j judge) isSettled(ledger *sandbox.Ledger) bool {
	enriched, dead := j.count(events.StageEnriched), j.count(events.StageDead)
	return enriched >= 0 && dead >= 0 && enriched+dead >= ledger.Owed() && j.messages("ROLLCALL_QUEUE") == 0
}

// judge gives the ledger all that the streams hold, and returns its verdict. Whatever could still store something must have ended.
func (j judge) judge(ledger *sandbox.Ledger) sandbox.Verdict {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(j.t.Context(), 2*time.Minute)
	defer cancel()
	v, err := j.stored.Judge(ctx, ledger)
	if err != nil {
		j.t.Fatal(err)
	}
	return v
}

// calls returns how many requests the fake Twilio was sent.
func (f fakeTwilio) calls(ctx context.Context) (n int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+sandbox.AdminPath+"calls", nil)
	if err != nil {
		return 0, err
	}
	answer, err := f.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	var calls map[sandbox.Endpoint]int
	if err := json.NewDecoder(answer.Body).Decode(&calls); err != nil {
		return 0, err
	}
	for _, made := range calls {
		n += made
	}
	return n, nil
}
