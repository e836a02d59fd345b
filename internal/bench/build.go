package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// The programs, as the go command names them.
const (
	benchProgram    = "bench"
	ingestProgram   = "ingest"
	enricherProgram = "enricher"
	sandboxProgram  = "sandbox"
	natsProgram     = "nats-server"
)

// build compiles everything that is started, the NATS server in the version that go.mod asks for.
func (b *Bench) build(ctx context.Context) error {
	b.say("building ingest, enricher, sandbox, bench and nats-server")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", b.bin+string(os.PathSeparator), //nolint:gosec // no part of it comes from outside
		"./cmd/bench", "./cmd/ingest", "./cmd/enricher", "./cmd/sandbox", "github.com/nats-io/nats-server/v2")
	cmd.Dir = b.cfg.Source
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w: %s", err, out)
	}
	return nil
}
