package chaos

import (
	"flag"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/rollcall-events/rollcall/internal/broker"
)

var (
	seed  = flag.Uint64("seed", 0, "order of the faults; 0 takes another at each run")
	count = flag.Int("events", 0, "events of the long run; 0 takes what fits its time")
	loud  = flag.Bool("loud", false, "show what the parts log")
)

func TestMain(m *testing.M) {
	if config := os.Getenv(serverConfig); config != "" {
		os.Exit(serve(config))
	}
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxiproxy has a logger of its own
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(broker.MayOutlive),
		// A toxic that ends a connection leaves behind those who were about to hand it something, for ever.
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*NoopToxic).Pipe"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
	)
}

func logger() *slog.Logger {
	if *loud {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.DiscardHandler)
}

// eventually waits until ok, and reports whether it came about within limit.
func eventually(limit time.Duration, ok func() bool) bool {
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if <-tick.C; time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// must is eventually where nothing can go on without it.
func must(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	if !eventually(time.Minute, ok) {
		tb.Fatalf("%s: it did not come about within a minute", what)
	}
}
