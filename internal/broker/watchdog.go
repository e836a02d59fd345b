package broker

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// watchEvery is how long no task may come before the server is asked whether one should have.
const watchEvery = 15 * time.Second

// errStalled ends a pull that brings nothing, though it should.
var errStalled = errors.New("tasks wait at the server and none is delivered")

// watchdog asks the server about pulls from a partition that bring nothing.
type watchdog struct {
	conn      *Conn
	cons      jetstream.Consumer
	partition int
	owner     bool   // tasks come here first
	delivered uint64 // by the consumer, to anyone, when it was last asked
	full      bool   // it was told that the partition is
}

// next returns the next message; from time to time nil without an error, while it is right that none comes.
func (w *watchdog) next(ctx context.Context, it jetstream.MessagesContext) (jetstream.Msg, error) {
	wait, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	msg, err := it.Next(jetstream.NextContext(wait))
	if err == nil {
		w.noteFull(false, nil)
	}
	if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return msg, err
	}
	info, err := w.cons.Info(ctx)
	if err != nil {
		return nil, err
	}
	return nil, w.judge(info)
}

// judge says whether the server should have delivered something. To one who is not the owner it
// need not, for as long as it delivers to anyone.
func (w *watchdog) judge(info *jetstream.ConsumerInfo) error {
	moved := info.Delivered.Consumer != w.delivered
	w.delivered = info.Delivered.Consumer
	full := info.NumAckPending >= info.Config.MaxAckPending
	w.noteFull(full && info.NumPending > 0, info)
	if info.NumPending == 0 || full || moved && !w.owner {
		return nil
	}
	return errStalled
}

// noteFull tells once when the partition is full, and once when it no longer is.
func (w *watchdog) noteFull(full bool, info *jetstream.ConsumerInfo) {
	if full == w.full {
		return
	}
	w.full = full
	gauge := w.conn.metrics.full.WithLabelValues()
	if !full {
		gauge.Dec()
		w.conn.log.Info("a partition is no longer full", "partition", w.partition)
		return
	}
	gauge.Inc()
	w.conn.log.Warn("a partition is full: no event of any account in it is delivered until some that it holds are done. Look at held accounts and stuck conversations",
		"partition", w.partition, "held", info.NumAckPending, "waiting", info.NumPending)
}

// close forgets the partition, which is then another process's to tell of.
func (w *watchdog) close() {
	if w.full {
		w.conn.metrics.full.WithLabelValues().Dec()
	}
}
