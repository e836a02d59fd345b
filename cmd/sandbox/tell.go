package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// teller tells a story to an ingest, and judges what comes of it.
type teller struct {
	sender    sandbox.Sender
	change    worldChange     // changes the fake Twilio's world
	seen      <-chan sighting // what comes out; nil to judge answers only
	timeout   time.Duration   // for everything that must come of one step
	printer   *printer
	checklist *checklist
	order     order
}

// tell sends every step and awaits what comes of it before the next one, which may change who is
// there. When something is missing or wrong it notes that on the checklist and goes on.
func (t *teller) tell(ctx context.Context, steps []sandbox.Step) error {
	for i, step := range steps {
		t.printer.step(i+1, step.Title)
		if step.Change != nil {
			if err := t.change(ctx, step.Change); err != nil {
				return fmt.Errorf("change the fake Twilio's world: %w", err)
			}
		}
		if err := t.send(ctx, step); err != nil {
			return err
		}
		if err := t.await(ctx, step.Wants); err != nil {
			return err
		}
	}
	return nil
}

func (t *teller) send(ctx context.Context, step sandbox.Step) error {
	send := t.sender.Send
	if step.Forged {
		send = t.sender.SendForged
	}
	at := time.Now()
	answer, err := send(ctx, step.Webhook)
	if err != nil {
		return err
	}
	t.printer.sent(at, step.Webhook, answer, t.checklist.sent(step, answer.Status))
	return nil
}

// await shows what comes out, until everything that is wanted has or the timeout is over.
func (t *teller) await(ctx context.Context, wants []sandbox.Want) error {
	if t.seen == nil {
		return nil
	}
	timer := time.NewTimer(t.timeout)
	defer timer.Stop()
	for !t.done(wants) {
		select {
		case s := <-t.seen:
			for _, s := range t.order.take(s) {
				t.printer.seen(s)
				t.checklist.saw(s)
			}
		case <-timer.C:
			t.printer.row(time.Now(), "missing", red, "nothing more came within "+t.timeout.String())
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (t *teller) done(wants []sandbox.Want) bool {
	for _, w := range wants {
		if !t.checklist.done(w) {
			return false
		}
	}
	return true
}
