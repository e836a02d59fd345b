package broker

import (
	"log/slog"
	"sync"
)

// outage logs what fails over and over only twice: once when it begins, however many partitions it
// stops, and once when all is well again.
type outage struct {
	log *slog.Logger // tells whose it is, and what NATS does not do

	mu      sync.Mutex
	stopped map[int]struct{} // partitions
}

// allPartitions stands for them all, where an outage is not of one partition.
const allPartitions = -1

func newOutage(log *slog.Logger, operation string) *outage {
	return &outage{log: log.With("operation", operation), stopped: map[int]struct{}{}}
}

// note takes down how it went with a partition; a nil error is well.
func (o *outage) note(partition int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, before := o.stopped[partition]
	switch {
	case err != nil && len(o.stopped) == 0:
		o.log.Warn("NATS does not answer as it should, trying again", "error", err)
	case err != nil:
		o.log.Debug("NATS does not answer as it should, trying again", "partition", partition, "error", err)
	case before && len(o.stopped) == 1:
		o.log.Info("NATS answers again")
	}
	if err != nil {
		o.stopped[partition] = struct{}{}
	} else {
		delete(o.stopped, partition)
	}
}
