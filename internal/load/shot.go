package load

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/validation"
)

// Shot is one request that is ready to go.
type Shot struct {
	At      time.Duration // when it is meant to be sent, after the start
	Request []byte        // HTTP/1.1, whole
	Webhook sandbox.Webhook
}

// Target is where webhooks go, and how they are signed.
type Target struct {
	URL    string // base URL of the ingest
	Public string // base URL that signatures are for; "" is URL
	Key    validation.Secret
}

// Schedule says when each shot is meant to be sent. It is not safe for concurrent use.
type Schedule struct {
	Rate float64 // shots a second on average; 0 sets no times, for a loop that waits for each answer
	rng  *rand.Rand
	at   time.Duration
}

// NewSchedule returns a Schedule whose turns come as independent callers do (Poisson), the same for the same seed.
func NewSchedule(rate float64, seed uint64) *Schedule {
	return &Schedule{Rate: rate, rng: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // a schedule is to be the same again, not secret
}

// next returns when the next shot is meant to be sent. Only those that begin a turn take their time, and
// the longer the more there were in the last turn.
func (s *Schedule) next(begins bool, lastTurn int) time.Duration {
	if s.Rate > 0 && begins {
		s.at += time.Duration(s.rng.ExpFloat64() * float64(max(lastTurn, 1)) / s.Rate * float64(time.Second))
	}
	return s.at
}

// Source makes shots of traffic, signed, at the times of a schedule. It is not safe for concurrent use.
type Source struct {
	Traffic  *Traffic
	Schedule *Schedule
	Target   Target

	turn int
}

// Plan returns a webhook and when it is meant to be sent: a shot that is not signed.
func (s *Source) Plan() (w sandbox.Webhook, at time.Duration) {
	w, _, begins := s.Traffic.Next()
	at = s.Schedule.next(begins, s.turn)
	if begins {
		s.turn = 0
	}
	s.turn++
	return w, at
}

// Next makes one shot.
func (s *Source) Next(ctx context.Context) (*Shot, error) {
	w, at := s.Plan()
	shot := &Shot{At: at, Webhook: w}
	var err error
	if shot.Request, err = encode(ctx, w, s.Target); err != nil {
		return nil, err
	}
	shot.Webhook.Body = nil // it is in Request
	return shot, nil
}

func encode(ctx context.Context, w sandbox.Webhook, to Target) ([]byte, error) {
	public := to.Public
	if public == "" {
		public = to.URL
	}
	r, err := w.Request(ctx, to.URL, public, to.Key)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		return nil, fmt.Errorf("encode webhook: %w", err)
	}
	return b.Bytes(), nil
}

// Prepare makes n shots before any is sent, so that a measurement does not pay for signing them.
func (s *Source) Prepare(ctx context.Context, n int) (<-chan *Shot, error) {
	shots := make(chan *Shot, n)
	defer close(shots)
	for range n {
		shot, err := s.Next(ctx)
		if err != nil {
			return nil, err
		}
		shots <- shot
	}
	return shots, nil
}

// ahead is how many shots Stream keeps ready.
const ahead = 4096

// Stream makes shots a little ahead of their time, for as long as ctx lasts or until the first that is meant to be sent
// after last (0: no end). The error is nil, or why it ended early.
func (s *Source) Stream(ctx context.Context, last time.Duration) (<-chan *Shot, func() error) {
	shots := make(chan *Shot, ahead)
	failed := make(chan error, 1)
	go func() {
		defer close(shots)
		failed <- s.stream(ctx, last, shots)
	}()
	return shots, func() error { return <-failed }
}

func (s *Source) stream(ctx context.Context, last time.Duration, shots chan<- *Shot) error {
	for {
		shot, err := s.Next(ctx)
		if err != nil {
			return err
		}
		if last > 0 && shot.At > last {
			return nil
		}
		select {
		case shots <- shot:
		case <-ctx.Done():
			return nil
		}
	}
}
