package bench

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-events/rollcall/internal/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// measured returns a bench that has found what each figure says.
func measured(figures map[string]float64) *Bench {
	b := &Bench{samples: samples{}, size: short()}
	for figure, value := range figures {
		for _, m := range modes() {
			b.found(m, figure, value)
		}
	}
	return b
}

func rowOf(t *testing.T, b *Bench, m mode, what string) Row {
	t.Helper()
	for _, row := range b.rows() {
		if row.What == what && row.Mode == m.String() && row.Met != nil {
			return row
		}
	}
	t.Fatalf("got no row with a goal for %q", what)
	return Row{}
}

func TestIngestIsJudgedByItsParts(t *testing.T) {
	for _, c := range []struct {
		ingest    float64
		met, slow bool // by default, and with sync_interval: always
	}{{6999, false, false}, {7001, true, false}, {18_001, true, true}} {
		b := measured(map[string]float64{figureEcho: 20_000, figurePublish: 20_000, figureIngest: c.ingest})
		row := rowOf(t, b, defaultSync, figureIngest)
		if row.Ceiling != 10_000 || *row.Met != c.met {
			t.Errorf("%v of a limit of %v: got %v, want %v of 10,000", c.ingest, row.Ceiling, *row.Met, c.met)
		}
		row = rowOf(t, b, syncAlways, figureIngest)
		if row.Ceiling != 20_000 || *row.Met != c.slow {
			t.Errorf("%v of raw publish at %v: got %v, want %v of 20,000", c.ingest, row.Ceiling, *row.Met, c.slow)
		}
	}
}

// Whichever is less limits the enricher: calls in flight, or what the processors can do.
func TestTheEnricherIsJudgedByTheLesserLimit(t *testing.T) {
	figures := map[string]float64{figureGet: 5000, figureGetNow: 30_000, figureTake: 30_000, figurePublish: 30_000, figureTurns: 4001}
	if row := rowOf(t, measured(figures), defaultSync, figureTurns); row.Ceiling != 5000 || !*row.Met || !strings.Contains(row.Of, "5 ms") {
		t.Errorf("got %+v, want it met of the 5000 that 5 ms allow", row)
	}
	figures[figureGet], figures[figureTurns] = 12_800, 7999
	if row := rowOf(t, measured(figures), defaultSync, figureTurns); row.Ceiling != 10_000 || *row.Met || !strings.Contains(row.Of, "processors") {
		t.Errorf("got %+v, want it missed of the 10,000 that the processors allow", row)
	}
}

func TestLimitsAreLimits(t *testing.T) {
	for figure, limit := range map[string]float64{
		figureBurstCalls: 0.25, figureEndP50: 3, figureEndP99: 25, figureDrainMemory: 64, figureOutboxMemory: 64, figureHotCalls: 16, figureScale: 20, figureScaleApart: 20,
	} {
		if row := rowOf(t, measured(map[string]float64{figure: limit}), defaultSync, figure); !*row.Met {
			t.Errorf("%s: got %v missed, want it met", figure, limit)
		}
		b := measured(map[string]float64{figure: limit * 1.01})
		if row := rowOf(t, b, defaultSync, figure); *row.Met {
			t.Errorf("%s: got %v met, want it missed", figure, limit*1.01)
		}
		report := Report{Rows: b.rows()}
		if missed := strings.Join(report.Missed(), "\n"); !strings.Contains(missed, figure) {
			t.Errorf("got %q missed, want %s", missed, figure)
		}
	}
}

func TestWhatWasNotMeasuredIsMissed(t *testing.T) {
	for _, row := range measured(map[string]float64{figureIngestP99: 1, figureDecodeEncode: 1}).rows() {
		if row.Met != nil && *row.Met {
			t.Errorf("got %q met, want it missed", row.What)
		}
	}
}

func TestRatiosAreOfMedians(t *testing.T) {
	b := &Bench{samples: samples{}}
	for _, v := range []float64{3, 100, 1, 2} {
		b.found(defaultSync, figureEcho, v)
	}
	if row := b.row(defaultSync, figureEcho); row.Value != 2.5 || row.Low != 1 || row.High != 100 {
		t.Errorf("got %v (%v to %v), want the median 2.5 of 1 to 100", row.Value, row.Low, row.High)
	}
}

func TestGrowthLeavesOutTheBeginning(t *testing.T) {
	for _, c := range []struct {
		series []float64
		want   float64
	}{
		{[]float64{1, 1, 40, 40, 50, 50, 44, 44}, 10},
		{[]float64{10, 40, 40, 40}, 0},
		{[]float64{40}, 0},
	} {
		if got := growth(c.series); got < c.want-0.01 || got > c.want+0.01 {
			t.Errorf("%v: got %.2f %%, want %v", c.series, got, c.want)
		}
	}
}

func TestUsageIsThatOfTheProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("memory is read from Linux's /proc, which is not there")
	}
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; { // busy
	}
	u, err := usageOf(os.Getpid())
	if err != nil || u.resident < 1<<20 || u.peak < u.resident || u.cpu < clockTick {
		t.Errorf("got %+v and %v, want what a Go test takes", u, err)
	}
}

func sampleReport() Report {
	b := measured(map[string]float64{figureEcho: 40_000, figurePublish: 38_000, figureIngest: 12_345})
	run := load.Result{Name: "ingest, default sync", Latency: load.Latency{Percentiles: []load.Bracket{{Percentile: 0, Milliseconds: 1}, {Percentile: 50, Milliseconds: 2}}}}
	b.keep(load.Result{Name: run.Name, Rate: 1}, run)
	return Report{
		Command: "the command", Rounds: 3, Rows: b.rows(), Runs: b.report.Runs, Machine: Machine{Date: "2026-01-02", Go: "go9"},
		Scale: []ScaleRow{{Times: 100, Conversations: 50_000, Events: 200_000, Rate: 4321}},
	}
}

func TestTheTableGoesBetweenItsMarks(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "BENCHMARKS.md")
	if err := os.WriteFile(file, []byte("before\n"+markBegin+"\nan older table\n"+markEnd+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	report := sampleReport()
	for range 2 { // again, it is the same
		if err := report.Write(dir); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, want := range []string{
		"before\n" + markBegin, markEnd + "\nafter\n", "`the command`", "2026-01-02", "| ingest, webhooks/s | 12,345 |", "0.63", "missed", "| 100× | 50,000 | 500 | 200,000 | 4,321 |",
	} {
		if strings.Count(text, want) < 1 {
			t.Errorf("got no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "an older table") || strings.Count(text, "`the command`") != 1 {
		t.Errorf("got the old table too:\n%s", text)
	}
	for _, plot := range []string{"bench-default.svg", "bench-always.svg"} {
		if b, err := os.ReadFile(filepath.Join(dir, plot)); err != nil || !strings.Contains(string(b), "</svg>") {
			t.Errorf("%s: got %d bytes and %v, want an SVG", plot, len(b), err)
		}
	}
}

func TestATableWithoutAPlaceIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := sampleReport().Write(dir); err == nil {
		t.Error("got no error without BENCHMARKS.md, want one")
	}
	if err := os.WriteFile(filepath.Join(dir, "BENCHMARKS.md"), []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sampleReport().Write(dir); err == nil || !strings.Contains(err.Error(), markBegin) {
		t.Errorf("got %v, want an error that names %s", err, markBegin)
	}
}

func TestTheReportIsJSON(t *testing.T) {
	b, err := sampleReport().JSON()
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil || len(back.Rows) == 0 || len(back.Runs) != 1 || back.Runs[0].Rate != 0 {
		t.Errorf("got %+v and %v, want the report with the last of the runs of one name", back.Runs, err)
	}
}

// A process that does not come up is told with what it said, and is not left behind.
func TestAProcessThatEndsAtItsStart(t *testing.T) {
	b := &Bench{dir: t.TempDir(), bin: "/bin"}
	p, err := b.start("shell", "sh", []string{"-c", "echo the reason; exit 3"})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.ready(t.Context(), listens("127.0.0.1:1")); err == nil || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("got %v, want an error with what it said", err)
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsEveryProcess(t *testing.T) {
	b := &Bench{dir: t.TempDir(), bin: "/bin"}
	p, err := b.start("shell", "sh", []string{"-c", "while :; do :; done"})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	default:
		t.Error("got a process that goes on, want it ended")
	}
	if _, err := os.Stat(b.dir); !os.IsNotExist(err) {
		t.Errorf("got %v, want the directory gone", err)
	}
}
