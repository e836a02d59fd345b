package enrich

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// wantKnown checks for how many accounts, and APIs of accounts, something is kept in memory.
func (b *bench) wantKnown(allowances, doors int) {
	b.t.Helper()
	b.gate.mu.Lock()
	defer b.gate.mu.Unlock()
	if len(b.gate.allowances) != allowances || len(b.gate.doors) != doors {
		b.t.Errorf("got %d allowances and %d doors, want %d and %d", len(b.gate.allowances), len(b.gate.doors), allowances, doors)
	}
}

func TestAnAccountThatNobodyAsksForIsForgotten(t *testing.T) {
	bubble(t, Config{MaxRate: 0.1, Concurrency: 100}, func(b *bench) {
		const n = 100
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			<-time.After(30 * time.Second)
			return nil, nil
		}
		for i := range n {
			e := message(i)
			e.Account = sid("AC", 100+i)
			b.accounts.set(e.Account, fmt.Sprint(i))
			b.handle(uint64(i+1), e)
		}
		after(20 * time.Second)
		b.wantKnown(n, n) // calls are under way
		after(12 * time.Second)
		b.wantKnown(0, 0)
		if got := len(b.publishedIDs()); got != n {
			b.t.Errorf("got %d published, want %d", got, n)
		}
	})
}

func TestWhatTwilioSaidOfAnAccountIsNotForgotten(t *testing.T) {
	tests := map[string]struct {
		cfg   Config
		end   error
		until time.Duration
	}{
		"too many at once": {Config{}, status(429), throttleKept},
		"the rate":         {Config{MaxRate: 0.01}, status(400), 100 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, tt.cfg, func(b *bench) {
				b.api.answer = failing(1, tt.end)
				l := newLane(b.Pipeline, "key")
				if a := l.ask(b.t.Context(), call{lookup: events.LookupConversation, account: account, within: string(sid("CH", 1))}); a.err != nil {
					b.t.Fatal(a.err)
				}
				after(tt.until - 2*time.Second)
				b.wantKnown(1, 0)
				after(4 * time.Second)
				b.wantKnown(0, 0)
			})
		})
	}
}

// A lane may come to a door for the first time while the Pipeline stops. It must not wait there for a host that is unwell.
func TestADoorThatIsMadeWhileStoppingIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accounts := &ledger{cred: map[validation.SID]participants.Credentials{}}
		g := newGate(Config{Concurrency: 1}, accounts, slog.New(slog.DiscardHandler))
		c := call{lookup: events.LookupConversation, account: account, within: "one"}
		for range breakerCalls {
			g.hostOf(c).failedFor("one", true)
		}
		if g.tryDoor(c) != nil {
			t.Fatal("got let in while the host is unwell")
		}
		g.openDoors()
		c.account = other
		if g.tryDoor(c) == nil {
			t.Error("got kept out while stopping")
		}
	})
}
