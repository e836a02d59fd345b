package main

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/enrich"
	"github.com/rollcall-events/rollcall/internal/settings"
)

const description = `Takes raw events from NATS, asks Twilio who is in their conversation, and publishes them enriched.

  TWILIO_AUTH_TOKEN=... enricher --nats-url nats://nats:4222
  enricher run --help        explains every setting
  enricher --check           says what is wrong with the settings, and exits
  enricher provision         declares the streams, and exits
  enricher dead ls           lists what could not be enriched; dead --help says what can be done about it

Where NATS has a user for each part, run logs in as "enricher", provision as "provisioner", dead as "operator".
What could not be enriched is published on rollcall.dead.>, with its reason.`

func program(getenv func(string) string, stdout, stderr io.Writer) settings.Program {
	return settings.Program{
		Name:        "enricher",
		Description: description,
		Vars:        map[string]string{"ops_listen": "127.0.0.1:8082", "service_name": "rollcall-enricher", "version": cmp.Or(version, settings.Version())},
		Getenv:      getenv,
		Stdout:      stdout,
		Stderr:      stderr,
	}
}

// commands is everything that can be asked of the enricher.
type commands struct {
	Run       runSettings       `cmd:"" default:"withargs" help:"Enrich events until told to stop. This is what happens without a command."`
	Provision provisionSettings `cmd:"" help:"Declare the streams as the settings say, and exit. What is there with another shape is reported, not changed."`
	Dead      deadCommands      `cmd:"" help:"Look at, replay and remove what could not be enriched."`

	Flags process.Flags `embed:""`
}

// runSettings are those of the command that enriches.
type runSettings struct {
	NATS        settings.NATS   `embed:""`
	Twilio      settings.API    `embed:""`
	Enrichment  enrichment      `embed:""`
	Streams     streams         `embed:""`
	NoProvision bool            `name:"no-provision" group:"streams" help:"Do not declare the streams at start: run \"enricher provision\" for that, as a NATS user that may."`
	Ops         settings.Ops    `embed:""`
	Traces      settings.Traces `embed:""`
	Log         settings.Log    `embed:""`
}

// enrichment says how hard to try.
type enrichment struct {
	Concurrency int           `group:"enrichment" default:"64" help:"Calls to Twilio that this enricher has under way at once; fewer of an account while Twilio answers it with 429."`
	CallTimeout time.Duration `group:"enrichment" default:"15s" help:"How long one call to Twilio may take, all its pages."`
	HeadTimeout time.Duration `group:"enrichment" default:"15m" help:"How long one event may hold up its conversation before it is given up as overdue. It runs only while Twilio can be asked: not while the account's credentials are refused or its calls must wait, nor while the host fails as a whole."`
	Outage      time.Duration `name:"outage-timeout" group:"enrichment" default:"0s" help:"How long one event may hold up its conversation while the host fails as a whole, before it is given up as overdue. 0s: for as long as the host does. A conversation that Twilio can never answer for looks like that when little else is asked."`
	ProbeEvery  time.Duration `group:"enrichment" default:"30s" help:"How often an account whose credentials Twilio refuses is tried again. Changed credentials are tried at once."`
	MaxRate     float64       `group:"enrichment" default:"0" help:"Requests a second to Twilio that each account may make on average, of all enrichers together, such as 20 or 0.5; 0 is no limit. Each enricher takes an even part. Each page of a list counts; a list that was begun is read to its end, and later calls make up for it."`
	MaxRoster   time.Duration `name:"max-roster-age" group:"enrichment" default:"0s" help:"For messages, deliveries and communications: how old a roster that was already fetched may be, counted back from the event's arrival. 0s: none is reused."`
	AuditAfter  time.Duration `group:"enrichment" default:"2m" help:"An event that is stored and neither waits for an enricher nor has an outcome becomes a dead letter (reason missed), once later events have had theirs for this long. At least 30s; 0s turns the audit off."`
	StopTimeout time.Duration `group:"enrichment" default:"20s" help:"How long calls under way may take when stopping. Set the stop timeout of systemd, Docker or Kubernetes higher."`
}

// Check implements settings.Checker.
func (e *enrichment) Check() (ps settings.Problems) {
	for _, p := range e.config().Problems() {
		ps.Add(settingOf(p.Field), p.Wrong, p.Do)
	}
	if e.AuditAfter != 0 && e.AuditAfter < broker.MinAuditAfter {
		ps.Add("ROLLCALL_AUDIT_AFTER", "is too short", fmt.Sprintf("give a duration such as 2m, at least %v, or 0s", broker.MinAuditAfter))
	}
	return ps
}

// settingOf returns the setting that fills a field of enrich.Config or broker.Topology.
func settingOf(field string) string {
	return map[string]string{
		"Concurrency": "ROLLCALL_CONCURRENCY", "CallTimeout": "ROLLCALL_CALL_TIMEOUT", "HeadTimeout": "ROLLCALL_HEAD_TIMEOUT", "OutageTimeout": "ROLLCALL_OUTAGE_TIMEOUT", "StopTimeout": "ROLLCALL_STOP_TIMEOUT",
		"ProbeEvery": "ROLLCALL_PROBE_EVERY", "MaxRate": "ROLLCALL_MAX_RATE", "MaxRosterAge": "ROLLCALL_MAX_ROSTER_AGE",

		"Partitions": "ROLLCALL_PARTITIONS", "Replicas": "ROLLCALL_REPLICAS", "RawAge": "ROLLCALL_RAW_AGE", "EnrichedAge": "ROLLCALL_ENRICHED_AGE",
		"DeadAge": "ROLLCALL_DEAD_AGE", "Duplicates": "ROLLCALL_DUPLICATE_WINDOW", "AckWait": "ROLLCALL_ACK_WAIT", "MaxAckPending": "ROLLCALL_MAX_ACK_PENDING",
	}[field]
}

// config is the Pipeline's.
func (e *enrichment) config() enrich.Config {
	return enrich.Config{
		Concurrency:   e.Concurrency,
		CallTimeout:   e.CallTimeout,
		HeadTimeout:   e.HeadTimeout,
		OutageTimeout: e.Outage,
		StopTimeout:   e.StopTimeout,
		ProbeEvery:    e.ProbeEvery,
		KeptBytes:     enrich.DefaultConfig().KeptBytes, // no setting
		MaxRate:       e.MaxRate,
		MaxRosterAge:  e.MaxRoster,
	}
}

// streams is the shape of the streams.
type streams struct {
	Partitions  int           `group:"streams" default:"8" help:"Partitions that the queue is split into, 1 to 256; enrichers share them."`
	Replicas    int           `group:"streams" default:"1" help:"Servers that keep each stream: 1, 3 or 5."`
	RawAge      time.Duration `group:"streams" default:"168h" help:"How long raw events are kept."`
	EnrichedAge time.Duration `group:"streams" placeholder:"DURATION" help:"How long enriched events are kept, at least ROLLCALL_RAW_AGE. Unless given, the longer of 168h and that."`
	DeadAge     time.Duration `group:"streams" default:"720h" help:"How long dead letters are kept."`
	Duplicates  time.Duration `name:"duplicate-window" group:"streams" placeholder:"DURATION" help:"How long an event's id is remembered, at most ROLLCALL_RAW_AGE and ROLLCALL_DEAD_AGE. Unless given, the shortest of 4h15m and these. Event Streams tries again for 4 h."`
	AckWait     time.Duration `group:"streams" default:"30s" help:"How long an enricher may be silent before its events are redelivered."`

	MaxAckPending int `group:"streams" default:"2000" help:"Events of each partition that may be under way, 64 to 100000. If that many wait for an account whose credentials are refused, no others of the partition are delivered. Each takes some 500 bytes of an enricher's memory."`
}

func (s *streams) topology() broker.Topology {
	return broker.Topology{
		Partitions: s.Partitions, Replicas: s.Replicas, RawAge: s.RawAge, EnrichedAge: s.EnrichedAge,
		DeadAge: s.DeadAge, Duplicates: s.Duplicates, AckWait: s.AckWait, MaxAckPending: s.MaxAckPending,
	}
}

// Check implements settings.Checker.
func (s *streams) Check() (ps settings.Problems) {
	for _, p := range s.topology().Problems() {
		ps.Add(settingOf(p.Field), p.Wrong, p.Do)
	}
	return ps
}

// provisionSettings are those of the command that declares the streams.
type provisionSettings struct {
	NATS    settings.NATS `embed:""`
	Streams streams       `embed:""`
	Wait    time.Duration `group:"streams" name:"provision-wait" default:"30s" help:"How long enricher provision waits for NATS to be there."`
	Log     settings.Log  `embed:""`
}
