package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What would fail after half an hour fails at once.
func TestWhatCannotBeWrittenIsToldBeforeItIsMeasured(t *testing.T) {
	empty, marked := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(marked, "BENCHMARKS.md"), []byte("<!-- bench -->\n<!-- /bench -->"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no page":            {[]string{"--docs", empty}, "BENCHMARKS.md"},
		"short into docs":    {[]string{"--short", "--docs", marked}, "--short"},
		"no such flag":       {[]string{"--fast"}, "--fast"},
		"a file is no place": {[]string{"--json", filepath.Join(marked, "BENCHMARKS.md", "x.json")}, "directory"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(t.Context(), c.args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestHelpExplains(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"--help"}, &out, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--soak", "--docs", "bench --short"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got no %q in:\n%s", want, out.String())
		}
	}
}
