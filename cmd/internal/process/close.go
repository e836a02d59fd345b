// Package process is what the two services have in common as processes. It is for main packages alone.
package process

import (
	"context"
	"log/slog"
	"time"
)

// closeTimeout bounds closing a connection to NATS.
const closeTimeout = 5 * time.Second

// Close calls stop, the Close of a connection to NATS, also when ctx is done already, and gives it closeTimeout. That NATS does not answer any more
// is logged and is no failure of the process: what it has promised was acknowledged before.
func Close(ctx context.Context, stop func(context.Context) error, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := stop(ctx); err != nil {
		log.WarnContext(ctx, "the connection to NATS was cut", slog.Any("error", err))
	}
}
