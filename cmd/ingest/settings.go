package main

import (
	"cmp"
	"io"
	"time"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
	"github.com/rollcall-events/rollcall/internal/ingest"
	"github.com/rollcall-events/rollcall/internal/settings"
)

const description = `The webhook target: verifies what Twilio sends, stores it in NATS, and only then answers.

Three settings are enough, as flags or in the environment:

  export TWILIO_AUTH_TOKEN=...                            # the account's, from the Twilio console
  export ROLLCALL_PUBLIC_URL=https://hooks.example.com    # what you give Twilio, without the route
  export NATS_URL=nats://127.0.0.1:4222
  ingest --check && ingest

Point Twilio at these routes, below the public URL:

  POST, GET  /webhooks/conversations    Conversations (v1), pre- and post-action
  POST, GET  /webhooks/flex             Flex Interactions
  POST       /webhooks/orchestrator     Conversation Orchestrator (v2) status callbacks
  POST       /webhooks/event-streams    an Event Streams webhook sink

Flags win over the environment. SIGTERM or Ctrl-C stops it: readiness turns red; webhooks are still
taken for ROLLCALL_STOP_DELAY, so that a proxy that asks for readiness stops sending; then those under way
are finished. A second signal ends it at once. Exit codes: 0 stopped cleanly, 1 failed, 2 wrong settings.`

// commands is everything that can be asked of ingest: it has one command, and no name for it.
type commands struct {
	Webhooks webhooks         `embed:""`
	NATS     settings.NATS    `embed:""`
	Twilio   settings.Signing `embed:""`
	Outbox   outboxSettings   `embed:""`
	Ops      settings.Ops     `embed:""`
	Traces   settings.Traces  `embed:""`
	Log      settings.Log     `embed:""`

	Flags process.Flags `embed:""`
}

// Check implements settings.Checker: it looks at what concerns two groups.
func (c *commands) Check() (ps settings.Problems) {
	settings.CheckListenApart(&ps, "ROLLCALL_OPS_LISTEN", c.Ops.Listen, "ROLLCALL_LISTEN", c.Webhooks.Listen)
	return ps
}

func program(getenv func(string) string, stdout, stderr io.Writer) settings.Program {
	return settings.Program{
		Name:        "ingest",
		Description: description,
		Vars:        map[string]string{"ops_listen": "127.0.0.1:8081", "service_name": "rollcall-ingest", "version": cmp.Or(version, settings.Version())},
		Getenv:      getenv,
		Stdout:      stdout,
		Stderr:      stderr,
	}
}

// maxStopDelay is more than any proxy takes to notice, and not so long that a slip of the hand seems to hang.
const maxStopDelay = 5 * time.Minute

// webhooks are the settings of the webhook listener.
type webhooks struct {
	Listen         string         `group:"webhooks" placeholder:"HOST:PORT" default:":8080" help:"Address for webhooks, in plain HTTP: put a proxy in front for TLS."`
	PublicURL      []string       `group:"webhooks" placeholder:"URL" help:"Base URLs that Twilio posts to, comma-separated, without the route. Signatures cover them; Host and X-Forwarded headers are never trusted."`
	MaxBody        settings.Bytes `group:"webhooks" placeholder:"SIZE" default:"1MiB" help:"Largest body that is taken, 1KiB to 64MiB; larger ones are answered 413."`
	BodyTimeout    time.Duration  `group:"webhooks" placeholder:"DURATION" default:"3s" help:"Time for a whole body to arrive and, under load, for its turn to be checked. Later ones are answered 408, or 503 when the load is to blame or the sender is Event Streams. Must be less than the store timeout."`
	StoreTimeout   time.Duration  `group:"webhooks" placeholder:"DURATION" default:"4s" help:"How long storing may take, from the signature check on. It ends 4.5s after arrival at the latest, or after this time if that is longer: Twilio waits 5s."`
	StopDelay      time.Duration  `group:"webhooks" placeholder:"DURATION" default:"0s" help:"When stopping: how long webhooks are still taken once readiness is red, up to 5m. Longer than what is in front takes to notice, or the last ones that it sends are not answered. Set the stop timeout of systemd, Docker or Kubernetes to this, ROLLCALL_STOP_TIMEOUT and 10s more."`
	StopTimeout    time.Duration  `group:"webhooks" placeholder:"DURATION" default:"10s" help:"When stopping: time for webhooks under way to finish, after the stop delay."`
	MaxConnections int            `group:"webhooks" placeholder:"N" default:"1024" help:"Connections open at once; more wait to be accepted. A hostile one takes up to 0.7 MiB of memory."`
}

// Check implements settings.Checker.
func (w *webhooks) Check() (ps settings.Problems) {
	settings.CheckListen(&ps, "ROLLCALL_LISTEN", w.Listen)
	if w.StopDelay < 0 || w.StopDelay > maxStopDelay {
		ps.Add("ROLLCALL_STOP_DELAY", "is out of range", "give 0s to 5m")
	}
	for _, p := range w.config().Problems() {
		ps.Add(settingOf(p.Field), p.Wrong, p.Do)
	}
	return ps
}

func (w *webhooks) config() ingest.Config {
	return ingest.Config{
		PublicURLs: w.PublicURL, MaxBody: int64(w.MaxBody), BodyTimeout: w.BodyTimeout,
		StoreTimeout: w.StoreTimeout, StopTimeout: w.StopTimeout, MaxConnections: w.MaxConnections,
	}
}

// settingOf returns the setting that fills a field of ingest.Config.
func settingOf(field string) string {
	return map[string]string{
		"PublicURLs": "ROLLCALL_PUBLIC_URL", "MaxBody": "ROLLCALL_MAX_BODY", "BodyTimeout": "ROLLCALL_BODY_TIMEOUT",
		"StoreTimeout": "ROLLCALL_STORE_TIMEOUT", "StopTimeout": "ROLLCALL_STOP_TIMEOUT", "MaxConnections": "ROLLCALL_MAX_CONNECTIONS",
	}[field]
}

// outboxSettings are the settings of the store on this machine's disk.
type outboxSettings struct {
	Dir      string         `name:"outbox-dir" group:"outbox" placeholder:"DIR" help:"Directory that keeps webhooks while NATS does not take them. Without one they are stored nowhere then, and answered 503 (pre-actions 200)."`
	MaxBytes settings.Bytes `name:"outbox-max-bytes" group:"outbox" placeholder:"SIZE" default:"1GiB" help:"Most that the outbox may hold; 1MiB at least."`
}

// Check implements settings.Checker.
func (o *outboxSettings) Check() (ps settings.Problems) {
	if o.Dir != "" {
		if flaw := directoryFlaw(o.Dir); flaw != "" {
			ps.Add("ROLLCALL_OUTBOX_DIR", flaw, "name a directory that this user can write in; it is made when it is not there")
		}
	}
	if o.MaxBytes < 1<<20 {
		ps.Add("ROLLCALL_OUTBOX_MAX_BYTES", "is too small", "give 1MiB or more")
	}
	return ps
}
