package bench

import (
	"fmt"
	"slices"
)

// Row is one line of the table: a figure, what it is held against, and whether that is enough.
type Row struct {
	Mode    string  `json:"mode"`
	What    string  `json:"what"`
	Value   float64 `json:"value"` // median of the rounds
	Low     float64 `json:"low"`   // least of the rounds
	High    float64 `json:"high"`  // most of the rounds
	Ceiling float64 `json:"ceiling,omitempty"`
	Of      string  `json:"ceiling_is,omitempty"`
	Ratio   float64 `json:"ratio,omitempty"` // of Value to Ceiling
	Goal    string  `json:"goal,omitempty"`
	Met     *bool   `json:"met,omitempty"` // absent where there is no goal

	unknown bool // it, or its ceiling, was not measured
}

// rows are all figures with their goals, from the medians of this run.
func (b *Bench) rows() (rows []Row) {
	for _, m := range modes() {
		rows = append(rows, b.ingestRows(m)...)
		rows = append(rows, b.enricherRows(m)...)
		rows = append(rows, b.endToEndRows(m)...)
	}
	return append(append(rows, b.memoryRows()...), b.otherRows()...)
}

// row is a figure without a goal.
func (b *Bench) row(m mode, figure string) Row {
	values := b.samples[sample{m, figure}]
	if len(values) == 0 {
		return Row{Mode: m.String(), What: figure, unknown: true}
	}
	return Row{Mode: m.String(), What: figure, Value: median(values), Low: slices.Min(values), High: slices.Max(values)}
}

func (r Row) against(ceiling float64, of string) Row {
	r.Ceiling, r.Of = ceiling, of
	if ceiling > 0 {
		r.Ratio = r.Value / ceiling
	} else {
		r.unknown = true
	}
	return r
}

// judged gives r a goal. What was not measured has not met it.
func (r Row) judged(goal string, met bool) Row {
	met = met && !r.unknown
	r.Goal, r.Met = goal, &met
	return r
}

// atMost is for a figure that is its own measure.
func (r Row) atMost(limit float64) Row {
	return r.judged(fmt.Sprintf("at most %g", limit), r.Value <= limit)
}

// inTurn is how often something can be done in a second that takes one of each of these, which one machine does one after the other.
func inTurn(rates ...float64) float64 {
	var seconds float64
	for _, r := range rates {
		if r <= 0 {
			return 0
		}
		seconds += 1 / r
	}
	return 1 / seconds
}

func (b *Bench) ingestRows(m mode) []Row {
	echo, publish, deployed := b.samples.median(m, figureEcho), b.samples.median(m, figurePublish), b.samples.median(m, figureDeployed)
	whole := b.row(m, figureIngest)
	if m == syncAlways {
		whole = whole.against(publish, "raw publish")
		whole = whole.judged("at least 0.9 of it", whole.Ratio >= 0.9)
	} else {
		whole = whole.against(inTurn(echo, publish), "1/(1/bare Echo + 1/raw publish)")
		whole = whole.judged("at least 0.7 of it, aim 0.85", whole.Ratio >= 0.7)
	}
	behind := b.row(m, figureIngest).against(inTurn(echo, deployed), "1/(1/bare Echo + 1/raw publish to RAW with QUEUE)")
	p99 := b.row(m, figureIngestP99).against(b.samples.median(m, figurePublishP99), "raw publish p99")
	p99 = p99.judged("at most 2 of it", p99.Ratio <= 2)
	p50 := b.row(m, figureIngestP50).against(b.samples.median(m, figurePublishP50), "raw publish p50")
	p99Behind := b.row(m, figureIngestP99).against(b.samples.median(m, figureDeployedP99), "raw publish p99 to RAW with QUEUE")
	rows := []Row{b.row(m, figureEcho), b.row(m, figurePublish), b.row(m, figureDeployed), whole, behind, p99, p99Behind, p50}
	if m == defaultSync {
		rows = append(rows, b.row(m, figureEchoP99))
	}
	return append(rows, b.row(m, figureIngestCPU), b.row(m, figureNATSCPU))
}

func (b *Bench) enricherRows(m mode) []Row {
	get, getNow, taken, publish := b.samples.median(m, figureGet), b.samples.median(m, figureGetNow), b.samples.median(m, figureTake), b.samples.median(m, figurePublish)
	limit, of := get, "raw API GETs at 5 ms"
	if parts := inTurn(getNow, taken, publish); parts < get {
		limit, of = parts, "the processors': 1/(1/GETs at 0 ms + 1/take and ack + 1/publish)"
	}
	rate := b.row(m, figureTurns).against(limit, of)
	rate = rate.judged("at least 0.8 of it", rate.Ratio >= 0.8)
	calls, bursts := b.row(m, figureBurstCalls), b.row(m, figureBursts)
	if m == defaultSync {
		calls = calls.atMost(0.25)
		bursts = bursts.judged("at least 10000", bursts.Value >= 10_000)
	}
	return []Row{
		b.row(m, figureGet), b.row(m, figureGetNow), b.row(m, figureTake), rate, b.row(m, figureTurnCalls),
		b.row(m, figureEnricherCPU), b.row(m, figureQueueCPU), b.row(m, figureTwilioCPU), b.row(m, figureBusy), bursts, calls,
	}
}

func (b *Bench) endToEndRows(m mode) []Row {
	p50, p99 := b.row(m, figureEndP50), b.row(m, figureEndP99)
	if m == defaultSync {
		p50, p99 = p50.atMost(3), p99.atMost(25)
	}
	return []Row{b.row(m, figureAPIAlone), p50, p99, b.row(m, figureEndBurstP50), b.row(m, figureEndBurstP99)}
}

// mostMemory is the goal for either process, in MiB.
const mostMemory = 64

func (b *Bench) memoryRows() (rows []Row) {
	for _, figure := range []string{
		figureIngestMemory, figureOutboxMemory, figureSlowMemory, figureDrainMemory, figureIngestSteady, figureEnricherSteady,
	} {
		rows = append(rows, b.row(defaultSync, figure).atMost(mostMemory))
	}
	for _, figure := range []string{figureIngestGrowth, figureEnricherGrowth} {
		rows = append(rows, b.row(defaultSync, figure).atMost(5))
	}
	return rows
}

func (b *Bench) otherRows() []Row {
	plain := b.samples.median(defaultSync, figureReadStruct)
	full := b.row(defaultSync, figureDecodeEncode).against(plain, "encoding/json, into a plain struct")
	full = full.judged("at most 3 of it", full.Ratio <= 3)
	size := b.row(defaultSync, figureFullSize).against(maxPayload, "max_payload")
	return []Row{
		b.row(defaultSync, figureHotCalls).atMost(16),
		b.row(defaultSync, figureReadStruct), b.row(defaultSync, figureReadAny), full,
		size.judged("within it", size.Ratio <= 1),
		b.row(defaultSync, figureScale).atMost(20), b.row(defaultSync, figureScaleApart).atMost(20),
	}
}
