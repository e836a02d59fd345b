package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// TracesConfig says where spans go. OpenTelemetry's libraries read the other variables of its standard (headers, certificates, sampler, …) by
// themselves.
type TracesConfig struct {
	Service        string // the service.name of the spans
	Endpoint       string // of a collector that takes OTLP over HTTP, to which the standard's path is added; "" for none
	TracesEndpoint string // the same with its path, as it is; it wins over Endpoint
}

// Problem is one field of a TracesConfig that is wrong.
type Problem struct {
	Field string // "Endpoint"
	Wrong string
	Do    string // what to do about it
}

// Problems returns everything that is wrong with cfg. It does not quote the URLs, which may hold a password.
func (cfg TracesConfig) Problems() (ps []Problem) {
	for _, e := range []struct{ field, value string }{{"Endpoint", cfg.Endpoint}, {"TracesEndpoint", cfg.TracesEndpoint}} {
		if e.value == "" {
			continue
		}
		u, err := url.Parse(e.value)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			ps = append(ps, Problem{e.field, "is not an http or https URL", "give one such as http://127.0.0.1:4318"})
		}
	}
	return ps
}

// flushTimeout bounds stop for a caller that sets no bound.
const flushTimeout = 5 * time.Second

// SetupTraces installs the global tracer provider and the W3C propagator. Without an endpoint spans are not exported but context still
// propagates. Export is in the background: a collector that is away costs spans, a line in log, and nothing
// else. stop flushes within its context, and within five seconds.
func SetupTraces(ctx context.Context, cfg TracesConfig, log *slog.Logger) (stop func(context.Context), err error) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { // the default prints to standard error
		log.Warn("traces could not be exported", slog.Any("error", err))
	}))
	if ps := cfg.Problems(); len(ps) > 0 {
		return nil, fmt.Errorf("export traces: %s %s: %s", ps[0].Field, ps[0].Wrong, ps[0].Do)
	}
	endpoint := cfg.endpoint()
	if endpoint == "" {
		otel.SetTracerProvider(noop.NewTracerProvider())
		return func(context.Context) {}, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	name := attribute.String("service.name", cfg.Service)
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(resource.NewSchemaless(name)))
	otel.SetTracerProvider(provider)
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, flushTimeout)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.WarnContext(ctx, "the last traces were lost", slog.Any("error", err))
		}
	}, nil
}

// endpoint returns where spans go, "" for nowhere. cfg has no problems.
func (cfg TracesConfig) endpoint() string {
	if cfg.TracesEndpoint != "" || cfg.Endpoint == "" {
		return cfg.TracesEndpoint
	}
	u, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return ""
	}
	return u.JoinPath("v1", "traces").String()
}
