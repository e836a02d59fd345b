package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
)

// deadReplay are the settings of "dead replay".
type deadReplay struct {
	DeadAccess `embed:""`
	DeadChoice `embed:""`
}

const replayHelp = `Each letter's event is stored in the raw stream again, under a new id and with the first one as its replay_of, and the letter is removed.
It comes out enriched now: after what followed it in its conversation. One that dies again is a new letter.

Letters that hold no event, or not a complete one, cannot be replayed: they are reported and kept. Letters with the reason foreign_account
are only replayed when they are named, or with --reason foreign_account: the key that signed them was not the account's.

It can be stopped at any moment and run again: of letters that are named, those that are left are replayed, the others are told, and
the exit code is 1. A letter that was replayed but not removed yet is not replayed twice, if that is within the
streams' duplicate window (4h15m unless set otherwise).`

// Help implements kong.HelpProvider.
func (deadReplay) Help() string { return replayHelp }

// replayed is what became of a letter, for programs.
type replayed struct {
	Letter uint64 `json:"letter"`
	ID     string `json:"id,omitempty"`          // that the event had
	As     string `json:"replayed_as,omitempty"` // the new event's id
	WhyNot string `json:"not_replayable,omitempty"`
}

func (r *deadReplay) run(ctx context.Context, conn *broker.Conn, con console) error {
	letters, err := r.choose(ctx, conn)
	if err != nil {
		return stopped(ctx, err)
	}
	watch, err := watchProgress(ctx, con, "replayed", &letters)
	if err != nil {
		return stopped(ctx, err)
	}
	encoder := json.NewEncoder(con.out)
	done, kept, foreign := 0, 0, 0
	err = conn.ReplayDead(ctx, r.trusted(letters.letters(ctx), &foreign), func(b broker.Buried, why error) {
		result := replayed{Letter: b.Sequence, ID: b.Letter.ID}
		watch.step()
		if why != nil {
			kept++
			result.WhyNot = why.Error()
			watch.line(con.err, "letter %d cannot be replayed: %v\n", b.Sequence, why)
		} else {
			done++
			if e, err := b.Replay(); err == nil {
				result.As = e.ID
			}
		}
		if r.JSON {
			_ = encoder.Encode(result) // where nobody reads, the replay goes on
		}
	})
	watch.clear()
	r.conclude(con, done, kept, foreign)
	switch {
	case err != nil:
		return stopped(ctx, err)
	case kept > 0 && len(r.ID) > 0:
		return errors.Join(fmt.Errorf("%s could not be replayed", count(kept, "letter")), letters.absent())
	}
	return letters.absent()
}

// conclude says what was done, to people.
func (r *deadReplay) conclude(con console, done, kept, foreign int) {
	out := con.out
	if r.JSON {
		out = con.err
	}
	fmt.Fprintf(out, "%s replayed\n", count(done, "letter"))
	if kept > 0 {
		fmt.Fprintf(out, "%s kept: not replayable\n", count(kept, "letter"))
	}
	if foreign > 0 {
		fmt.Fprintf(out, "%s left alone: foreign_account is only replayed when asked for by name\n", count(foreign, "letter"))
	}
}

// trusted leaves out, and counts, what was signed by another account's key, unless it is asked for.
func (r *deadReplay) trusted(letters iter.Seq2[broker.Buried, error], left *int) iter.Seq2[broker.Buried, error] {
	if len(r.ID) > 0 || slices.Contains(r.Reason, string(events.ReasonForeignAccount)) {
		return letters
	}
	return func(yield func(broker.Buried, error) bool) {
		for b, err := range letters {
			if err == nil && b.Letter.Reason == events.ReasonForeignAccount {
				*left++
				continue
			}
			if !yield(b, err) {
				return
			}
		}
	}
}
