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

// Traces says where traces go. The command's Vars must have "service_name", its default name in them. The variables have the names of
// OpenTelemetry's standard.
type Traces struct {
	Endpoint       string `name:"otel-exporter-otlp-endpoint" group:"ops" placeholder:"URL" help:"OpenTelemetry collector to export traces to, by OTLP over HTTP, without the path /v1/traces. Without one none are exported."`
	TracesEndpoint string `name:"otel-exporter-otlp-traces-endpoint" group:"ops" placeholder:"URL" help:"The same with its whole path, for traces alone, instead of OTEL_EXPORTER_OTLP_ENDPOINT."`
	Service        string `name:"otel-service-name" group:"ops" placeholder:"NAME" default:"${service_name}" help:"This service's name in its traces."`
}

// Check implements Checker.
func (t *Traces) Check() (ps Problems) {
	for _, p := range t.Config().Problems() {
		ps.Add(map[string]string{"Endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT", "TracesEndpoint": "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}[p.Field], p.Wrong, p.Do)
	}
	return ps
}

// Config returns what telemetry.SetupTraces takes.
func (t *Traces) Config() telemetry.TracesConfig {
	return telemetry.TracesConfig{Service: t.Service, Endpoint: t.Endpoint, TracesEndpoint: t.TracesEndpoint}
}
