package scaling

import "time"

// figure is what one unit of a part does, and how that is known.
type figure struct {
	part   string
	value  float64
	unit   string
	source string
}

// What is measured on two cores that publishers and server share, so it is less than a server of its own does.
const twoCores = "measured: 2 cores for server and publishers together, 64 publishers, 1 KiB, one copy"

// The figures that all else is computed from. To change one, change it here, then run
//
//	go test ./internal/scaling -run Page -update
var (
	ingestCore = figure{"ingest, one core", 12_000, "webhooks/s",
		"measured: 80 µs of processor time for each ([BENCHMARKS.md](BENCHMARKS.md)), rounded down"}
	enricherCore = figure{"enricher, one core", 5500, "events/s",
		"measured: 178 µs of processor time for each when each has its own call (the same), rounded down"}
	stream = figure{"one stream, NATS as it is by default", 39_000, "messages/s", twoCores}
	always = figure{"one stream, `sync_interval: always`", 4000, "messages/s", twoCores + "; the disk decides"}
	anID   = figure{"an id in a duplicate window", 153, "bytes of memory",
		"measured: `go test ./internal/scaling -run '^$' -bench ServerMemory -benchtime 300000x -settle 150s`, `id` less `alone`"}
	aSubject        = figure{"a subject that a stream holds", 135, "bytes of memory", "measured: the same, `subject` less `alone`; twice as much right after it was stored"}
	perConversation = figure{"a conversation", 20, "webhooks", "**assumed**"}
	kindsEach       = figure{"the same", 3, "kinds of event, each a subject", "**assumed**"}
	rawSize         = figure{"a message of RAW, or of QUEUE", 1750, "bytes",
		"encoded: `go test ./internal/scaling -run Sizes -v`, headers included"}
	enrichedSize = figure{"a message of ENRICHED, 3 participants", 3500, "bytes", "encoded: the same"}
	answerMedian = figure{"Twilio's answer, median", 80, "ms",
		"one `Twilio-Request-Duration` seen; **not documented**"}
	answerMean = figure{"Twilio's answer, mean", float64(assumedTwilio.mean().Milliseconds()), "ms",
		"**assumed**: log-normal, σ = 0.7, so that one in a hundred takes 0.4 s"}
)

func allFigures() []figure {
	return []figure{ingestCore, enricherCore, stream, always, anID, aSubject, perConversation, kindsEach, rawSize, enrichedSize, answerMedian, answerMean}
}

// assumedTwilio is the API of every scenario, but for the limit.
var assumedTwilio = Twilio{Median: 80 * time.Millisecond, Sigma: 0.7}

const (
	// load is how much of what a part can do is planned for: the rest is for bursts, and for when another of them is away.
	load = 0.5
	// limitLoad is the same for an account's calls to Twilio, which are queued and paced.
	limitLoad = 0.7
	// writes is how many messages NATS stores for a webhook: in RAW, QUEUE and ENRICHED.
	writes = 3
	copies = 3 // --replicas 3
	// window and kept are the enricher's defaults: of --duplicate-window, and of the ages of RAW and ENRICHED.
	window = 4*time.Hour + 15*time.Minute
	kept   = 7 * day
	day    = 24 * time.Hour
)
