package broker

import (
	"testing"
	"time"
)

// Thousands of events that nothing can be done about (of an account whose credentials are refused, say, or of one stuck
// conversation) do not keep from us those of others, also when they were given back.
func TestThousandsOfHeldTasksStopNoOther(t *testing.T) {
	_, c := provisioned(t, Topology{Partitions: 1})
	w := work(t, c)
	const held = 3000
	for i := range held {
		publish(t, c, event(key(1), i))
	}
	for i, task := range w.take(t, held) {
		if i < held/2 {
			continue
		}
		if err := task.msg.NakWithDelay(time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, c, event(key(2), 1))
	published(t, w.take(t, 1)[0])
}
