package telemetry

import (
	"cmp"
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

// The settings that turn exporting on. OpenTelemetry's libraries read the others of its
// standard (headers, certificates, sampler, …) by themselves.
const (
	endpointName       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpointName = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	serviceName        = "OTEL_SERVICE_NAME"
)

// flushTimeout bounds stop for a caller that sets no bound.
const flushTimeout = 5 * time.Second

// SetupTraces installs the global tracer provider and the W3C propagator. Without
// OTEL_EXPORTER_OTLP_ENDPOINT (or its _TRACES_ form), read through getenv, spans are not exported but context
// still propagates. service is the service.name of the spans, unless OTEL_SERVICE_NAME says another.
// Export is OTLP over HTTP, in the background: a collector that is away costs spans, a line in log, and nothing
// else. stop flushes within its context, and within five seconds.
func SetupTraces(ctx context.Context, service string, log *slog.Logger, getenv func(string) string) (stop func(context.Context), err error) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { // the default prints to standard error
		log.Warn("traces", slog.Any("error", err))
	}))
	endpoint, err := tracesEndpoint(getenv)
	if err != nil {
		return nil, err
	}
	if endpoint == "" {
		otel.SetTracerProvider(noop.NewTracerProvider())
		return func(context.Context) {}, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	name := attribute.String("service.name", cmp.Or(getenv(serviceName), service))
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

// tracesEndpoint returns where spans go, "" for nowhere: the setting for traces as it is, the one
// for all signals with the standard's path.
func tracesEndpoint(getenv func(string) string) (string, error) {
	for _, name := range []string{tracesEndpointName, endpointName} {
		value := getenv(name)
		if value == "" {
			continue
		}
		u, err := url.Parse(value)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return "", fmt.Errorf("%s: must be an http or https URL", name)
		}
		if name == endpointName {
			u = u.JoinPath("v1", "traces")
		}
		return u.String(), nil
	}
	return "", nil
}
