// Package process is what the two services have in common as processes: their exit codes, what needs no start, and how they begin and end. It is
// for main packages alone.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/alecthomas/kong"

	"github.com/rollcall-events/rollcall/internal/settings"
	"github.com/rollcall-events/rollcall/internal/telemetry"
)

// The exit codes.
const (
	OK            = 0 // after a clean stop, and where nothing was to be run
	Failed        = 1 // it could not start, or stopped because of an error
	WrongSettings = 2 // or arguments: starting again does not help
)

// Flags are the questions that a service answers without a start.
type Flags struct {
	CheckOnly bool             `name:"check" help:"Check all settings and the files that they name, report everything that is wrong, and exit. Opens no connection."`
	Version   kong.VersionFlag `help:"Print the version and exit."`
}

// Main parses args into cli, which holds flags, answers what needs no start or else calls start, and returns the exit code. What is wrong is
// written to the program's Stderr.
func Main(program settings.Program, cli any, flags *Flags, args []string, start func(settings.Parsed) error) int {
	parsed, err := program.Parse(cli, args)
	switch {
	case errors.Is(err, settings.ErrAnswered):
		return OK
	case err != nil:
		fmt.Fprintf(program.Stderr, "%s: these settings are wrong:\n%v\n", program.Name, err)
		return WrongSettings
	case flags.CheckOnly:
		fmt.Fprintf(program.Stdout, "%s: the settings are good\n", program.Name)
		return OK
	}
	if err := start(parsed); err != nil {
		fmt.Fprintf(program.Stderr, "%s: %v\n", program.Name, err)
		return Failed
	}
	return OK
}

// Service is one that is to run.
type Service struct {
	Version  string
	Settings settings.Parsed // for the log
	Log      settings.Log
	Traces   settings.Traces
	Stderr   io.Writer // where the log goes
}

// Run calls serve with what every service needs before all else: a log, whose first line is "starting" and whose last is "stopped", and traces.
func (s Service) Run(ctx context.Context, serve func(context.Context, *slog.Logger) error) error {
	log, err := s.Log.Logger(s.Stderr)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "starting", slog.String("version", s.Version), slog.Any("settings", s.Settings))
	defer log.InfoContext(ctx, "stopped")
	stopTraces, err := telemetry.SetupTraces(ctx, s.Traces.Config(), log)
	if err != nil {
		return err
	}
	defer stopTraces(context.WithoutCancel(ctx))
	return serve(ctx, log)
}

// Listen listens on the address of a setting, whose name its error tells.
func Listen(ctx context.Context, setting, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return l, nil
}

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
