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
	At      time.Duration // when it is scheduled, after the start
	Request []byte        // complete, in HTTP/1.1
	Webhook sandbox.Webhook
}

// Target is where webhooks go, and how they are signed.
type Target struct {
	URL    string // base URL of the ingest
	Public string // base URL that signatures are for; default URL
	Key    validation.Secret
}

// Schedule says when each shot is to be sent. It is not safe for concurrent use.
type Schedule struct {
	Rate float64 // shots per second on average; 0 for a closed loop, which needs no times
	rng  *rand.Rand
	at   time.Duration
}

// NewSchedule returns a Schedule whose turns arrive independently of each other (Poisson). The same seed gives the same schedule.
func NewSchedule(rate float64, seed uint64) *Schedule {
	return &Schedule{Rate: rate, rng: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // it must be reproducible, not secret
}

// next returns when the next shot is to be sent. The shots of a turn come at the same time; the pause before a turn is
// longer the more shots the last one had, which keeps the average rate.
func (s *Schedule) next(begins bool, lastTurn int) time.Duration {
	if s.Rate > 0 && begins {
		s.at += time.Duration(s.rng.ExpFloat64() * float64(max(lastTurn, 1)) / s.Rate * float64(time.Second))
	}
	return s.at
}

// Source makes signed shots of traffic, at the times of a schedule. It is not safe for concurrent use.
type Source struct {
	Traffic  *Traffic
	Schedule *Schedule
	Target   Target

	turn int // shots in this turn so far
}

// Plan returns the next webhook, unsigned, and when it is to be sent.
func (s *Source) Plan() (w sandbox.Webhook, at time.Duration) {
	w, _, begins := s.Traffic.Next()
	at = s.Schedule.next(begins, s.turn)
	if begins {
		s.turn = 0
	}
	s.turn++
	return w, at
}

// Next returns the next shot.
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

// Prepare makes n shots in advance, so that signing them is no part of a measurement.
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

// Stream makes shots a little ahead of their time, until ctx is done or, unless last is 0, the next shot is scheduled
// after last. Then it closes the channel. The function waits for that, and returns an error if a shot could not be
// made; it must be called once.
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
