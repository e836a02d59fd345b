package broker

import (
	"log/slog"
	"sync"
)

// outage keeps what goes wrong over and over from being logged over and over: it has one line when it begins, however much it
// stops, and one when all goes well again.
type outage struct {
	log *slog.Logger // tells whose it is, and what NATS does not do

	mu   sync.Mutex
	what map[int]struct{}
}

// allPartitions is what an outage stops that is of no one partition.
const allPartitions = -1

func newOutage(log *slog.Logger, operation string) *outage {
	return &outage{log: log.With("operation", operation), what: map[int]struct{}{}}
}

// note takes down how it went with what; a nil error is well.
func (o *outage) note(what int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, before := o.what[what]
	switch {
	case err != nil && len(o.what) == 0:
		o.log.Warn("NATS does not answer as it should, trying again", "error", err)
	case err != nil:
		o.log.Debug("NATS does not answer as it should, trying again", "partition", what, "error", err)
	case before && len(o.what) == 1:
		o.log.Info("NATS answers again")
	}
	if err != nil {
		o.what[what] = struct{}{}
	} else {
		delete(o.what, what)
	}
}
