package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/rollcall-events/rollcall/internal/load"
)

// loadReport is what --json writes.
type loadReport struct {
	load.Result
	Ledger *load.Outcome `json:"ledger,omitempty"`
}

// err returns an error if not every webhook was answered with 2xx.
func (r loadReport) err() error {
	if r.Failed == 0 {
		return nil
	}
	hint := ""
	if r.Answers[http.StatusForbidden] > 0 {
		hint = ": the ingest has another TWILIO_AUTH_TOKEN or ROLLCALL_PUBLIC_URL"
	} else if r.Answers[0] == r.Done {
		hint = ": does an ingest listen there?"
	}
	return fmt.Errorf("%d of %d webhooks were not answered with 2xx%s", r.Failed, r.Done, hint)
}

// write writes the report as JSON to the named file; for "-" to stdout, for "" not at all.
func (r loadReport) write(stdout io.Writer, name string) error {
	if name == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err == nil && name == "-" {
		_, err = stdout.Write(append(b, '\n'))
	} else if err == nil {
		err = os.WriteFile(name, append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// plot writes an SVG to the named file, unless name is "".
func (r loadReport) plot(name string) error {
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the plot: %w", err)
	}
	return errors.Join(load.Plot(f, "webhooks", r.Result), f.Close())
}
