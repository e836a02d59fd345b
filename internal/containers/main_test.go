package containers

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go/log"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	log.SetDefault(log.NewNoopLogger()) // a failed test shows the containers' own logs
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	if engine.err = engine.find(ctx); engine.err == nil {
		if err := sweep(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "remove what an earlier run left:", err)
		}
	}
	cancel()
	goleak.VerifyTestMain(m,
		// testcontainers keeps its connection to the engine for as long as the process lives.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}
