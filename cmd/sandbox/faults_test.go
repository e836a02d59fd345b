package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

func TestFaultsMayComeFromAFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "faults.json")
	if err := os.WriteFile(name, []byte(`[{"status":503,"every":2}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	var f faultsFlag
	if err := f.UnmarshalText([]byte("@" + name)); err != nil || len(f) != 1 || f[0] != (sandbox.Fault{Status: 503, Every: 2}) {
		t.Errorf("got %+v and %v, want the file's", f, err)
	}
	if err := f.UnmarshalText([]byte("@" + name + ".not")); err == nil || !strings.Contains(err.Error(), "read faults") {
		t.Errorf("got %v, want that the file cannot be read", err)
	}
}

func TestTheHelpTellsOfEveryFault(t *testing.T) {
	for field := range reflect.TypeFor[sandbox.Fault]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(faultsHelp) {
			t.Errorf("got no %s in the help, want every field of a fault", name)
		}
	}
	var f faultsFlag
	example := faultsHelp[strings.LastIndex(faultsHelp, "["+"{"):]
	if err := f.UnmarshalText([]byte(example)); err != nil || len(f) != 3 {
		t.Errorf("got %+v and %v of the example, want three faults", f, err)
	}
}
