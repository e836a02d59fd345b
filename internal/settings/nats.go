package settings

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-events/rollcall/internal/broker"
)

// NATS says where NATS is and who we are to it.
type NATS struct {
	URL          string `name:"nats-url" group:"nats" placeholder:"URL,..." default:"nats://127.0.0.1:4222" help:"Servers of the NATS cluster, comma-separated; tls:// for TLS."`
	Creds        string `name:"nats-creds" group:"nats" placeholder:"FILE" help:"Credentials file (.creds) to log in to NATS with."`
	NKeySeedFile string `name:"nats-nkey-seed-file" group:"nats" placeholder:"FILE" help:"File with the nkey seed to log in to NATS with, instead of NATS_CREDS."`
}

// Check implements Checker: the URLs can be dialled, and the one file that may be named can be logged in with.
func (n *NATS) Check() (ps Problems) {
	for _, p := range n.Broker("", nil, nil).Problems() {
		ps.Add(natsSetting(p.Field), p.Wrong, p.Do)
	}
	return ps
}

// natsSetting returns the setting that fills a field of broker.Config.
func natsSetting(field string) string {
	switch field {
	case "CredsFile":
		return "NATS_CREDS"
	case "NKeySeedFile":
		return "NATS_NKEY_SEED_FILE"
	default:
		return "NATS_URL"
	}
}

// Broker returns the broker's configuration for a client of the given name, which also names its inbox.
func (n *NATS) Broker(name string, log *slog.Logger, reg prometheus.Registerer) broker.Config {
	return broker.Config{URL: n.URL, CredsFile: n.Creds, NKeySeedFile: n.NKeySeedFile, Name: name, Log: log, Registerer: reg}
}
