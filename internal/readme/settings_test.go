package readme

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestCompareSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(path, []byte("before\n<!-- settings:x -->\n<!-- /settings -->\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CompareSettings(path, "x", "| table |", false); !errors.Is(err, ErrStale) {
		t.Errorf("before the update: got %v, want ErrStale", err)
	}
	if err := CompareSettings(path, "x", "| table |", true); err != nil {
		t.Fatal(err)
	}
	if err := CompareSettings(path, "x", "| table |", false); err != nil {
		t.Errorf("after the update: got %v, want nil", err)
	}
	if err := CompareSettings(path, "y", "| table |", false); err == nil || errors.Is(err, ErrStale) {
		t.Errorf("without its lines: got %v, want an error that says so", err)
	}
	got, err := os.ReadFile(path)
	if want := "before\n<!-- settings:x -->\n\n| table |\n\n<!-- /settings -->\nafter\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
