package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

// skewed returns n events of 200 conversations, of which 10 have half of all; each conversation's are numbered from 0.
func skewed(n int) []events.Event {
	random := rand.New(rand.NewPCG(1, 2))
	next := make(map[int]int)
	all := make([]events.Event, n)
	for i := range all {
		k := 10 + random.IntN(190)
		if random.IntN(2) == 0 {
			k = random.IntN(10)
		}
		all[i] = event(key(k), next[k])
		next[k]++
	}
	return all
}

// fill puts events on o's disk as if NATS were away, many at a time.
func fill(tb testing.TB, o *Outbox, all []events.Event) {
	tb.Helper()
	o.waiting.Store(true)
	for _, e := range all {
		m, err := rawMessage(tb.Context(), e)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := o.disk.js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
			tb.Fatal(err)
		}
	}
	<-o.disk.js.PublishAsyncComplete()
}

// What a blackout left is drained, beside a publisher that keeps no order: the same messages to the same server, which
// syncs as the deployed one does, or as NATS does by default. The ratio is what order costs.
func BenchmarkOutboxDrain(b *testing.B) {
	for name, always := range map[string]bool{"default": false, "always": true} {
		b.Run(name, func(b *testing.B) {
			all := skewed(20_000)
			s := serve(b, EmbeddedConfig{Listen: "127.0.0.1:0", SyncAlways: always})
			provisioner := dial(b, s, "provisioner")
			if err := provisioner.Provision(b.Context(), Topology{}); err != nil {
				b.Fatal(err)
			}
			conn, err := Connect(b.Context(), Config{URL: s.ClientURL(), Name: "ingest", FailFast: true})
			if err != nil {
				b.Fatal(err)
			}
			closeAtEnd(b, conn)
			eventually(b, "connected", conn.nc.IsConnected)
			var drained, unordered time.Duration
			for round := 0; b.Loop(); round++ {
				fresh(all, round)
				drained += drainOnce(b, conn, all)
				fresh(all, round+1_000_000)
				unordered += publishUnordered(b, conn, all)
			}
			b.ReportMetric(float64(b.N*len(all))/drained.Seconds(), "drained/s")
			b.ReportMetric(float64(b.N*len(all))/unordered.Seconds(), "unordered/s")
			b.ReportMetric(unordered.Seconds()/drained.Seconds(), "ratio")
		})
	}
}

// fresh gives every event an id that the server has not seen.
func fresh(all []events.Event, round int) {
	for i := range all {
		all[i].ID = fmt.Sprintf("%d-%d", round, i)
	}
}

func drainOnce(b *testing.B, conn *Conn, all []events.Event) time.Duration {
	b.Helper()
	o, err := OpenOutbox(b.Context(), conn, OutboxConfig{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer o.Close()
	fill(b, o, all)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	started := time.Now()
	go func() { done <- o.Run(ctx) }()
	eventually(b, "the outbox is empty", func() bool { return !o.waiting.Load() })
	took := time.Since(started)
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return took
}

func publishUnordered(b *testing.B, conn *Conn, all []events.Event) time.Duration {
	b.Helper()
	messages := make([]*nats.Msg, len(all))
	for i, e := range all {
		var err error
		if messages[i], err = rawMessage(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
	started := time.Now()
	for _, m := range messages {
		if _, err := conn.js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	<-conn.js.PublishAsyncComplete()
	return time.Since(started)
}
