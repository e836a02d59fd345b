package broker

import (
	"sync/atomic"
	"testing"
)

// One publisher and 64, on a server without and with an fsync for every acknowledgement.
func BenchmarkPublishRaw(b *testing.B) {
	for name, always := range map[string]bool{"default": false, "always": true} {
		b.Run(name, func(b *testing.B) {
			c := dial(b, serve(b, EmbeddedConfig{SyncAlways: always}), "bench")
			if err := c.Provision(b.Context(), Topology{}); err != nil {
				b.Fatal(err)
			}
			var n atomic.Int64
			next := func() {
				i := int(n.Add(1))
				if _, err := c.PublishRaw(b.Context(), event(key(i%1000), i)); err != nil {
					b.Fatal(err)
				}
			}
			b.Run("one", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					next()
				}
			})
			b.Run("parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(32)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						next()
					}
				})
			})
		})
	}
}

// A task from RAW to ENRICHED: published, delivered, found to be the head, published, acknowledged.
func BenchmarkTask(b *testing.B) {
	for name, keys := range map[string]int{"one conversation": 1, "1000 conversations": 1000} {
		b.Run(name, func(b *testing.B) {
			_, c := provisioned(b, Topology{})
			w := work(b, c)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				publish(b, c, event(key(i%keys), i))
				task := <-w.tasks
				if ok, err := task.Head(b.Context()); err != nil || !ok {
					b.Fatalf("Head: got %v, %v, want true", ok, err)
				}
				if err := task.Publish(b.Context(), enriched(task.Event())); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
