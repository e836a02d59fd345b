package telemetry

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
)

func TestNewLoggerLevels(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "info": 3, "warn": 2, "error": 1} {
		for _, format := range []string{"json", "text"} {
			var out bytes.Buffer
			log, err := NewLogger(&out, level, format)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
				log.Log(t.Context(), l, "line")
			}
			if got := strings.Count(out.String(), "\n"); got != want {
				t.Errorf("%s, %s: got %d lines, want %d: %s", level, format, got, want, &out)
			}
		}
	}
}

func TestNewLoggerFormats(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("hello", slog.Int("n", 1))
	if !json.Valid(out.Bytes()) {
		t.Errorf("got %s, want JSON", &out)
	}
	out.Reset()
	if log, err = NewLogger(&out, "info", "text"); err != nil {
		t.Fatal(err)
	}
	log.Info("hello", slog.Int("n", 1))
	if !strings.Contains(out.String(), "msg=hello n=1") {
		t.Errorf("got %s, want text", &out)
	}
}

func TestNewLoggerNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		level, format string
		want          []string
	}{
		{"loud", "json", []string{"log level: must be debug, info, warn or error"}},
		{"info", "xml", []string{"log format: must be json or text"}},
		{"", "", []string{"log level: ", "log format: "}},
		{"INFO+2", "JSON", []string{"log level: ", "log format: "}},
	} {
		log, err := NewLogger(&bytes.Buffer{}, c.level, c.format)
		if log != nil || err == nil {
			t.Fatalf("%q, %q: got %v and %v, want an error", c.level, c.format, log, err)
		}
		if got := strings.Count(err.Error(), "log "); got != len(c.want) {
			t.Errorf("%q, %q: got %v, want %d problems", c.level, c.format, err, len(c.want))
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q, %q: got %v, want %s", c.level, c.format, err, want)
			}
		}
	}
}
