package bench

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rollcall-events/rollcall/internal/load"
)

// Report is what a bench showed. Its JSON is what --json writes.
type Report struct {
	Machine  Machine       `json:"machine"`
	Command  string        `json:"command"`
	Short    bool          `json:"short"`
	Rounds   int           `json:"rounds"`
	Soak     string        `json:"soak"`
	Seconds  float64       `json:"seconds"`
	Rows     []Row         `json:"rows"`
	Scale    []ScaleRow    `json:"scale"`
	Profiles []Profile     `json:"profiles"`
	Ledger   Ledger        `json:"ledger"`
	Runs     []load.Result `json:"runs"` // of the last round, with their series and percentiles
}

// Ledger is the sum of the verdicts on all runs of the pipeline.
type Ledger struct {
	Runs int `json:"runs"`
	load.Outcome
}

func (l *Ledger) add(o load.Outcome) {
	l.Runs++
	l.Owed += o.Owed
	l.Enriched += o.Enriched
	l.Dead += o.Dead
	l.Lost += o.Lost
	l.Twice += o.Twice
	l.OutOfOrder += o.OutOfOrder
	l.Other += o.Other
}

// keep keeps runs to be plotted: of several by one name the last.
func (b *Bench) keep(results ...load.Result) {
	for _, result := range results {
		found := false
		for i := range b.report.Runs {
			if b.report.Runs[i].Name == result.Name {
				b.report.Runs[i], found = result, true
			}
		}
		if !found {
			b.report.Runs = append(b.report.Runs, result)
		}
	}
}

// Missed returns what did not reach its goal.
func (r Report) Missed() (missed []string) {
	for _, row := range r.Rows {
		if row.Met != nil && !*row.Met {
			missed = append(missed, row.Mode+": "+row.What)
		}
	}
	return missed
}

// Text is the report for a terminal.
func (r Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s, %d rounds, medians of them, %.0f s in all\n", r.Machine, r.Command, r.Rounds, r.Seconds)
	mode := ""
	for _, row := range r.Rows {
		if row.Mode != mode {
			mode = row.Mode
			fmt.Fprintf(&b, "\n%s\n", mode)
		}
		fmt.Fprintf(&b, "  %-70s %10s", row.What, figure(row.Value))
		if row.Ceiling > 0 {
			fmt.Fprintf(&b, "  %.2f of %s (%s)", row.Ratio, figure(row.Ceiling), row.Of)
		}
		if row.Met != nil {
			fmt.Fprintf(&b, "  goal: %s: %s", row.Goal, met(row.Met))
		}
		b.WriteByte('\n')
	}
	b.WriteString("\ncost as work grows\n")
	for _, s := range r.Scale {
		fmt.Fprintf(&b, "  %4dx %7d events of %6d conversations, %6d at a time  %8s events/s  enricher %s us, NATS %s us an event\n",
			s.Times, s.Events, s.Conversations, s.atATime(), figure(s.Rate), figure(s.Enricher), figure(s.NATS))
	}
	for _, p := range r.Profiles {
		fmt.Fprintf(&b, "\nwhere the processor time of %s goes\n%s\n", p.Program, p.Top)
	}
	fmt.Fprintf(&b, "\n%d runs of the pipeline; %s\n", r.Ledger.Runs, r.Ledger.Outcome)
	return b.String()
}

func met(m *bool) string {
	switch {
	case m == nil:
		return ""
	case *m:
		return "met"
	default:
		return "missed"
	}
}

// figure is a number with as many digits as it is worth.
func figure(v float64) string {
	switch {
	case v >= 100 || v <= -100:
		return thousands(strconv.FormatFloat(v, 'f', 0, 64))
	case v >= 10 || v <= -10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

func thousands(digits string) string {
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
