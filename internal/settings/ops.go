package settings

import (
	"io"
	"log/slog"

	"github.com/rollcall-events/rollcall/internal/telemetry"
)

// Ops says where the operator's listener is. The command's Vars must have "ops_listen", its default.
type Ops struct {
	Listen string `name:"ops-listen" group:"ops" placeholder:"HOST:PORT" default:"${ops_listen}" help:"Address for /livez, /readyz and /metrics. Keep it from the internet."`
}

// Check implements Checker.
func (o *Ops) Check() (ps Problems) {
	CheckListen(&ps, "ROLLCALL_OPS_LISTEN", o.Listen)
	return ps
}

// Log says what is logged, and how.
type Log struct {
	Level  string `name:"log-level" group:"ops" placeholder:"LEVEL" default:"info" help:"Log lines of this level and above: debug, info, warn or error."`
	Format string `name:"log-format" group:"ops" placeholder:"FORMAT" default:"json" help:"Write log lines as json or as text."`
}

// Check implements Checker.
func (l *Log) Check() (ps Problems) {
	if _, err := telemetry.NewLogger(io.Discard, l.Level, "json"); err != nil {
		ps.Add("ROLLCALL_LOG_LEVEL", "is not a level", "give debug, info, warn or error")
	}
	if _, err := telemetry.NewLogger(io.Discard, "info", l.Format); err != nil {
		ps.Add("ROLLCALL_LOG_FORMAT", "is not a format", "give json or text")
	}
	return ps
}

// Logger returns the logger, which writes to w.
func (l *Log) Logger(w io.Writer) (*slog.Logger, error) {
	return telemetry.NewLogger(w, l.Level, l.Format)
}
