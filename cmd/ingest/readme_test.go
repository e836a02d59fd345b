package main

import (
	"flag"
	"testing"

	"github.com/rollcall-events/rollcall/internal/readme"
)

var update = flag.Bool("update", false, "write the settings table into README.md")

// TestReadmeHasTheSettings: `go test ./cmd/ingest -run Readme -update` writes them.
func TestReadmeHasTheSettings(t *testing.T) {
	table, err := program(nil, nil, nil).Table(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	if err := readme.CompareSettings("../../README.md", "ingest", table, *update); err != nil {
		t.Errorf("%v; go test ./cmd/ingest -run Readme -update writes it", err)
	}
}
