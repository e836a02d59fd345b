package telemetry

import (
	"errors"
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes lines of format "json" or "text" at level
// ("debug", "info", "warn", "error") and above to w. The error names each of the two that is neither.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	minimum, levelErr := parseLevel(level)
	options := &slog.HandlerOptions{Level: minimum}
	var handler slog.Handler
	var formatErr error
	switch format {
	case "json":
		handler = slog.NewJSONHandler(w, options)
	case "text":
		handler = slog.NewTextHandler(w, options)
	default:
		formatErr = errors.New("log format: must be json or text")
	}
	if err := errors.Join(levelErr, formatErr); err != nil {
		return nil, err
	}
	return slog.New(handler), nil
}

// parseLevel takes the four names alone: slog's own parser also takes "INFO+3".
func parseLevel(level string) (slog.Level, error) {
	switch level {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, errors.New("log level: must be debug, info, warn or error")
}
