package broker

import (
	"log/slog"
	"sync"
)

// outage keeps what goes wrong over and over from being logged over and over: it has one line when it begins, however much it
// stops, and one when all goes well again.
type outage struct {
	log         *slog.Logger // tells whose it is
	begun, over string

	mu   sync.Mutex
	what map[int]struct{}
}

// allPartitions is what an outage stops that is of no one partition.
const allPartitions = -1

func newOutage(log *slog.Logger, begun, over string) *outage {
	return &outage{log: log, begun: begun, over: over, what: map[int]struct{}{}}
}

// note takes down how it went with what; a nil error is well.
func (o *outage) note(what int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, before := o.what[what]
	switch {
	case err != nil && len(o.what) == 0:
		o.log.Warn(o.begun, "error", err)
	case err != nil:
		o.log.Debug(o.begun, "partition", what, "error", err)
	case before && len(o.what) == 1:
		o.log.Info(o.over)
	}
	if err != nil {
		o.what[what] = struct{}{}
	} else {
		delete(o.what, what)
	}
}

// reset forgets what was, where nobody looks any more.
func (o *outage) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.what)
}
