package chaos

import (
	"context"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/enrich"
)

// held is a task whose calls wait at a gate.
type held struct {
	enrich.Task
	gate *gate
}

func (h held) Head(ctx context.Context) (bool, error) {
	h.gate.wait()
	return h.Task.Head(ctx)
}

func (h held) Publish(ctx context.Context, e events.Enriched) error {
	h.gate.wait()
	return h.Task.Publish(context.WithoutCancel(ctx), e)
}

func (h held) Bury(ctx context.Context, d events.DeadLetter) error {
	h.gate.wait()
	return h.Task.Bury(context.WithoutCancel(ctx), d)
}

func (h held) Extend() error {
	h.gate.wait()
	return h.Task.Extend()
}
