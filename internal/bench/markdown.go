package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollcall-events/rollcall/internal/load"
)

// The marks in docs/BENCHMARKS.md that the measured part is between.
const (
	markBegin = "<!-- bench -->"
	markEnd   = "<!-- /bench -->"
)

// Markdown is the measured part of docs/BENCHMARKS.md.
func (r Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "`%s`: %s. %d rounds taken in turn, the median of them with the least and the most in brackets; %.0f min in all.\n",
		r.Command, r.Machine, r.Rounds, r.Seconds/60)
	mode := ""
	for _, row := range r.Rows {
		if row.Mode != mode {
			mode = row.Mode
			fmt.Fprintf(&b, "\n**%s**\n\n| figure | measured | ceiling | ratio | goal | met |\n|---|---:|---:|---:|---|---|\n", mode)
		}
		b.WriteString(row.markdown())
	}
	b.WriteString("\n**Cost as work grows** (a backlog that drains, processor time for each event)\n\n")
	b.WriteString("| | conversations | that speak at a time | events | events/s | enricher, µs | NATS, µs | API calls per event |\n|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, s := range r.Scale {
		fmt.Fprintf(&b, "| %d× | %s | %s | %s | %s | %s | %s | %.2f |\n", s.Times, figure(float64(s.Conversations)), figure(float64(s.atATime())), figure(float64(s.Events)),
			figure(s.Rate), figure(s.Enricher), figure(s.NATS), s.Calls)
	}
	for _, p := range r.Profiles {
		fmt.Fprintf(&b, "\n**Where the processor time of %s goes** while it does as much as it can (`go tool pprof -top`)\n\n```\n%s\n```\n", p.Program, p.Top)
	}
	b.WriteString("\n![Latency and throughput, default sync](bench-default.svg)\n\n![Latency and throughput, sync_interval: always](bench-always.svg)\n")
	fmt.Fprintf(&b, "\nThe ledger of %d runs of the pipeline: %s events answered with 2xx, %d lost, %d twice, %d out of order.\n"+
		"Memory was watched for %s at %d webhooks/s.\n", r.Ledger.Runs, figure(float64(r.Ledger.Owed)), r.Ledger.Lost, r.Ledger.Twice, r.Ledger.OutOfOrder, r.Soak, endToEndRate)
	return b.String()
}

func (r Row) markdown() string {
	ceiling, ratio := "", ""
	if r.Ceiling > 0 {
		ceiling, ratio = fmt.Sprintf("%s: %s", r.Of, figure(r.Ceiling)), fmt.Sprintf("%.2f", r.Ratio)
	}
	spread := ""
	if r.Low != r.High {
		spread = fmt.Sprintf(" (%s–%s)", figure(r.Low), figure(r.High))
	}
	return fmt.Sprintf("| %s | %s%s | %s | %s | %s | %s |\n", r.What, figure(r.Value), spread, ceiling, ratio, r.Goal, met(r.Met))
}

// place is BENCHMARKS.md without its measured part.
type place struct {
	file          string
	before, after []byte
}

func findPlace(dir string) (place, error) {
	p := place{file: filepath.Join(dir, "BENCHMARKS.md")}
	whole, err := os.ReadFile(p.file)
	if err != nil {
		return p, fmt.Errorf("find the table's place: %w", err)
	}
	var rest []byte
	var begins, ends bool
	p.before, rest, begins = bytes.Cut(whole, []byte(markBegin))
	_, p.after, ends = bytes.Cut(rest, []byte(markEnd))
	if !begins || !ends {
		return p, fmt.Errorf("find the table's place: %s has no %s and %s", p.file, markBegin, markEnd)
	}
	return p, nil
}

// CheckDocs says whether dir has a place for the measured part: worth knowing before it is measured.
func CheckDocs(dir string) error {
	_, err := findPlace(dir)
	return err
}

// Write puts the measured part into BENCHMARKS.md in dir, and the plots beside it.
func (r Report) Write(dir string) error {
	p, err := findPlace(dir)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s%s\n\n%s\n%s%s", p.before, markBegin, r.Markdown(), markEnd, p.after)
	if err := os.WriteFile(p.file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	for _, m := range modes() {
		if err := r.plot(dir, m); err != nil {
			return err
		}
	}
	return nil
}

// plot writes the plot of one mode's runs.
func (r Report) plot(dir string, m mode) error {
	var runs []load.Result
	for _, run := range r.Runs {
		if name, ok := strings.CutSuffix(run.Name, ", "+m.String()); ok {
			run.Name = name
			runs = append(runs, run)
		}
	}
	name := map[mode]string{defaultSync: "bench-default.svg", syncAlways: "bench-always.svg"}[m]
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return fmt.Errorf("write the plot: %w", err)
	}
	return errors.Join(load.Plot(f, m.String(), runs...), f.Close())
}

// JSON is the whole report.
func (r Report) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the report: %w", err)
	}
	return append(b, '\n'), nil
}
