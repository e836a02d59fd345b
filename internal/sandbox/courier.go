package sandbox

import (
	"context"
	"net/http"
	"time"
)

// Courier delivers webhooks to an ingest as Event Streams does: it sends each one again until the answer is below
// 500. It records every attempt in a Ledger. It is safe for concurrent use.
type Courier struct {
	Sender Sender
	Ledger *Ledger
	Again  time.Duration // between two attempts; default 50 ms
}

// Deliver sends w until it is answered below 500, and returns that answer. It fails only when ctx is done.
func (c Courier) Deliver(ctx context.Context, w Webhook) (Answer, error) {
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		}
		answer, err := c.try(ctx, w, c.Sender.Send)
		if err == nil && answer.Status < http.StatusInternalServerError {
			return answer, nil
		}
		again.Reset(c.again())
	}
}

// DeliverForged sends w once, with a forged signature.
func (c Courier) DeliverForged(ctx context.Context, w Webhook) (Answer, error) {
	return c.try(ctx, w, c.Sender.SendForged)
}

func (c Courier) try(ctx context.Context, w Webhook, send func(context.Context, Webhook) (Answer, error)) (Answer, error) {
	answered := c.Ledger.Sending(w)
	answer, err := send(ctx, w)
	answered(answer.Status) // 0 when there was none
	return answer, err
}

func (c Courier) again() time.Duration {
	if c.Again == 0 {
		return 50 * time.Millisecond
	}
	return c.Again
}
