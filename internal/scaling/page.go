package scaling

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tables are those of docs/SCALING.md, by the name that they have there.
func tables() map[string]string {
	return map[string]string{
		"figures": figuresTable(), "needs": needsTable(), "demand": demandTable(), "simulation": simulationTable(),
	}
}

// markdown is a table of the given rows, the first being its head.
func markdown(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return b.String()
}

func figuresTable() string {
	rows := [][]string{{"part", "figure", "where from"}}
	for _, f := range allFigures() {
		rows = append(rows, []string{f.part, grouped(f.value) + " " + f.unit, f.source})
	}
	return markdown(rows)
}

func needsTable() string {
	rates := []float64{100, 10_000, 1_000_000}
	head := []string{"webhooks/s"}
	for _, r := range rates {
		head = append(head, grouped(r))
	}
	row := func(name string, cell func(r float64) string) []string {
		cells := []string{name}
		for _, r := range rates {
			cells = append(cells, cell(r))
		}
		return cells
	}
	perSet := func(r float64) float64 { return r / float64(setsFor(r, stream)) }
	return markdown([][]string{
		head,
		row("ingest, cores", func(r float64) string { return count(needed(r, ingestCore.value)) }),
		row("enricher, cores", func(r float64) string { return count(needed(r, enricherCore.value)) }),
		row("sets of streams", func(r float64) string { return count(setsFor(r, stream)) }),
		row("the same, `sync_interval: always`", func(r float64) string { return count(setsFor(r, always)) }),
		row("NATS servers of 2 cores, 3 copies", func(r float64) string { return count(serversFor(r, stream)) }),
		row("the same, `sync_interval: always`", func(r float64) string { return count(serversFor(r, always)) }),
		row("ids in memory, in each set", func(r float64) string { return size(idMemory(perSet(r), window)) }),
		row("the same, `--duplicate-window 15m`", func(r float64) string { return size(idMemory(perSet(r), 15*time.Minute)) }),
		row("subjects in memory, in each set", func(r float64) string { return size(subjectMemory(perSet(r), kept)) }),
		row("the same, kept for a day", func(r float64) string { return size(subjectMemory(perSet(r), day)) }),
		row("disk, all copies together", func(r float64) string { return size(disk(r, kept)) }),
		row("the same, kept for a day", func(r float64) string { return size(disk(r, day)) }),
		row("calls to Twilio at once, nothing saved", func(r float64) string { return grouped(math.Ceil(r * assumedTwilio.mean().Seconds())) }),
	})
}

// What the table of demand assumes: one webhook in ten seconds in each conversation.
const usualRate = 0.1

func demandTable() string {
	const allowed = time.Minute
	rows := [][]string{{
		"webhooks/s of one account", "limit", "calls/s", "calls per event, at most", "roster age for that",
		"accounts needed, nothing saved", "accounts needed, roster age " + allowed.String(),
	}}
	for _, rate := range []float64{100, 1000, 10_000, 1_000_000} {
		for _, limit := range []float64{20, 100} {
			calls := callsAllowed(limit)
			accounts := func(perEvent float64) string { return grouped(math.Ceil(rate * perEvent / calls)) }
			rows = append(rows, []string{
				grouped(rate), grouped(limit), grouped(calls), perEvent(calls / rate), ageText(ageFor(usualRate, usualChanges, calls/rate)),
				accounts(1), accounts(callsPerEvent(usualRate, usualChanges, allowed)),
			})
		}
	}
	return markdown(rows)
}

func perEvent(calls float64) string {
	if calls >= 1 {
		return "1"
	}
	return strconv.FormatFloat(calls, 'g', 2, 64)
}

func ageText(age time.Duration, there bool) string {
	if !there {
		return "none is enough"
	}
	return age.String()
}

func simulationTable() string {
	rows := [][]string{{
		"webhooks/s", "conversations", "burst", "roster age", "limit", "enrichers", "calls per event", "calls at once", "429s",
		"wait p50", "wait p99", "backlog",
	}}
	for _, s := range scenarios() {
		rows = append(rows, append(given(s), outcome(Run(s))...))
	}
	return markdown(rows)
}

func given(s Scenario) []string {
	conversations := grouped(float64(s.Load.Conversations))
	if s.Load.Conversations == fresh {
		conversations = "new each"
	}
	return []string{
		grouped(s.Load.Rate), conversations, grouped(s.Load.Burst), s.Enrich.RosterAge.String(), count(s.Twilio.Limit), count(s.Enrich.Processes),
	}
}

// outcome is what a run came to. How long events waited says nothing where they wait longer and longer.
func outcome(r Result) []string {
	cells := []string{
		fmt.Sprintf("%.2f", r.CallsPerEvent()), fmt.Sprintf("%.1f", r.AtOnce), fmt.Sprintf("%.1f %%", 100*r.RefusedShare()),
	}
	if !r.Stable() {
		return append(cells, "–", "–", fmt.Sprintf("**grows** by %.0f %% of what comes", 100*r.Growth))
	}
	return append(cells, milliseconds(r.Wait50), milliseconds(r.Wait99), "stays")
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}

func count(n int) string { return grouped(float64(n)) }

// grouped is x in whole numbers, with a comma before each three digits.
func grouped(x float64) string {
	digits := []byte(strconv.FormatFloat(x, 'f', 0, 64))
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = slices.Insert(digits, i, ',')
	}
	return string(digits)
}

// size is a number of bytes, with two digits.
func size(x float64) string {
	digits := int(math.Floor(math.Log10(x)))
	x = math.Round(x/math.Pow10(digits-1)) * math.Pow10(digits-1)
	units := []string{"B", "KB", "MB", "GB", "TB", "PB"}
	n := min(int(math.Log10(x)/3), len(units)-1)
	return strconv.FormatFloat(x/math.Pow10(3*n), 'g', 4, 64) + " " + units[n]
}
