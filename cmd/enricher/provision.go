package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
	"github.com/rollcall-events/rollcall/internal/broker"
)

// How long to wait between attempts to declare the streams while NATS is not there: twice as long each time.
const (
	provisionFirst = 100 * time.Millisecond
	provisionMost  = 5 * time.Second
)

// provision is the command: it declares the streams and says what is there now.
func provision(ctx context.Context, s *provisionSettings, stdout, stderr io.Writer) error {
	log, err := s.Log.Logger(stderr)
	if err != nil {
		return err
	}
	cfg := s.NATS.Broker("provisioner", log, nil)
	cfg.Role = broker.RoleProvisioner
	conn, err := broker.Connect(ctx, cfg)
	if err != nil {
		return err
	}
	defer process.Close(ctx, conn.Close, log)
	ctx, cancel := context.WithTimeout(ctx, s.Wait)
	defer cancel()
	if err := declare(ctx, conn, s.Streams.topology(), log); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "The streams are there as asked: %s.\n", s.Streams.describe())
	return nil
}

// describe is the shape in words, as far as it was given.
func (s *streams) describe() string {
	parts := []string{
		fmt.Sprintf("%d partitions", s.Partitions),
		fmt.Sprintf("%d replicas", s.Replicas),
	}
	for _, d := range []struct {
		what  string
		value time.Duration
	}{
		{"raw events kept for", s.RawAge},
		{"enriched events kept for", s.EnrichedAge},
		{"dead letters kept for", s.DeadAge},
		{"ids remembered for", s.Duplicates},
		{"work acknowledged within", s.AckWait},
	} {
		if d.value != 0 {
			parts = append(parts, fmt.Sprintf("%s %v", d.what, d.value))
		}
	}
	return strings.Join(parts, ", ")
}

// declare declares the streams, again and again until NATS is there or ctx is done. Streams of
// another shape are an error at once: no waiting changes them.
func declare(ctx context.Context, conn *broker.Conn, t broker.Topology, log *slog.Logger) error {
	told := "" // for as long as the reason is the same, the log says it once
	for wait := provisionFirst; ; wait = min(2*wait, provisionMost) {
		err := conn.Provision(ctx, t)
		if err == nil {
			return nil
		}
		if _, drifted := errors.AsType[*broker.DriftError](err); drifted {
			return err
		}
		err = explain(ctx, conn, err)
		level := slog.LevelDebug
		if err.Error() != told {
			level, told = slog.LevelWarn, err.Error()
		}
		log.Log(ctx, level, "cannot declare the streams yet, trying again", "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("declare the streams: %w: the last attempt: %w", context.Cause(ctx), err)
		}
	}
}

// explain returns err, or where that only says that no answer came, why conn is not ready: no server, say, or a refused login.
func explain(ctx context.Context, conn *broker.Conn, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return cmp.Or(conn.Ready(ctx), err)
}
