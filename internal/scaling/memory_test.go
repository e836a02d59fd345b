package scaling

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/internal/broker"
)

var settle = flag.Duration("settle", 0, "how long BenchmarkServerMemory waits before it looks")

// BenchmarkServerMemory measures what a stream's server keeps in memory for a message, as bytes of heap: for nothing but the message, for
// its id within the duplicate window, and for its subject, where each has one of its own. Ids and subjects are as long as
// rollcall's. Run it with -benchtime 300000x, and with -settle 150s to leave out what the server keeps of recent messages for a while.
func BenchmarkServerMemory(b *testing.B) {
	const subject = "rollcall.raw.conversations.message.added."
	id := func(n int) string {
		sum := sha256.Sum256(fmt.Append(nil, n))
		return hex.EncodeToString(sum[:])
	}
	for name, message := range map[string]func(n int) *nats.Msg{
		"alone": func(int) *nats.Msg { return nats.NewMsg(subject + "CH") },
		"id": func(n int) *nats.Msg {
			m := nats.NewMsg(subject + "CH")
			m.Header.Set(jetstream.MsgIDHeader, id(n))
			return m
		},
		"subject": func(n int) *nats.Msg { return nats.NewMsg(subject + "CH" + id(n)[:32]) },
	} {
		b.Run(name, func(b *testing.B) {
			js := newStream(b, subject+"*")
			before := heap()
			for n := range b.N {
				if _, err := js.PublishMsgAsync(message(n), jetstream.WithStallWait(time.Minute)); err != nil {
					b.Fatal(err)
				}
			}
			<-js.PublishAsyncComplete()
			if b.N > 1 {
				<-time.After(*settle)
			}
			b.ReportMetric(float64(heap()-before)/float64(b.N), "B/message")
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// newStream makes one like RAW, on a server in this process.
func newStream(b *testing.B, subjects string) jetstream.JetStream {
	b.Helper()
	s, err := broker.StartEmbedded(b.Context(), broker.EmbeddedConfig{Dir: b.TempDir(), Listen: "127.0.0.1:0", Name: "memory"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Shutdown)
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(256))
	if err != nil {
		b.Fatal(err)
	}
	_, err = js.CreateStream(b.Context(), jetstream.StreamConfig{
		Name: "MEMORY", Subjects: []string{subjects}, Storage: jetstream.FileStorage, Duplicates: 4 * time.Hour, AllowDirect: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	return js
}
