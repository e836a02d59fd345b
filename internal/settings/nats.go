package settings

import (
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-events/rollcall/internal/broker"
)

// NATS says where NATS is and who we are to it.
type NATS struct {
	URL          string `name:"nats-url" group:"nats" placeholder:"URL,..." default:"nats://127.0.0.1:4222" help:"Servers of the NATS cluster, comma-separated; tls:// for TLS."`
	Creds        string `name:"nats-creds" group:"nats" placeholder:"FILE" help:"Credentials file (.creds) to log in to NATS with."`
	NKeySeedFile string `name:"nats-nkey-seed-file" group:"nats" placeholder:"FILE" help:"File with the nkey seed to log in to NATS with, instead of NATS_CREDS."`
}

// Check implements Checker: the URLs can be dialled, and the one file that may be named holds a key.
func (n *NATS) Check() (ps Problems) {
	if slices.ContainsFunc(strings.Split(n.URL, ","), badServer) {
		ps.Add("NATS_URL", "is not a list of NATS URLs", "give URLs such as nats://127.0.0.1:4222, separated by commas")
	}
	if n.Creds != "" && n.NKeySeedFile != "" {
		ps.Add("NATS_CREDS", "is given together with NATS_NKEY_SEED_FILE", "give the one that your NATS account uses")
	}
	checkSeed(&ps, "NATS_CREDS", n.Creds)
	checkSeed(&ps, "NATS_NKEY_SEED_FILE", n.NKeySeedFile)
	return ps
}

func badServer(server string) bool {
	server = strings.TrimSpace(server)
	if !strings.Contains(server, "://") {
		server = "nats://" + server
	}
	u, err := url.Parse(server)
	return err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme)
}

// userSeed is what the seed of a user's nkey looks like, in a file of its own and in a .creds file.
var userSeed = regexp.MustCompile(`(?m)^SU[A-Z2-7]{56}\s*$`)

func checkSeed(ps *Problems, setting, path string) {
	if path == "" {
		return
	}
	switch content, err := os.ReadFile(path); {
	case err != nil:
		ps.Add(setting, "names a file that cannot be read ("+cause(err)+")", "correct the path or the file's permissions")
	case !userSeed.Match(content):
		ps.Add(setting, "names a file without the seed of a user's nkey", "name the file that nsc or nk wrote for this user")
	}
}

// Broker returns the broker's configuration for a client of the given name, which also names its inbox.
func (n *NATS) Broker(name string, log *slog.Logger, reg prometheus.Registerer) broker.Config {
	return broker.Config{URL: n.URL, CredsFile: n.Creds, NKeySeedFile: n.NKeySeedFile, Name: name, Log: log, Registerer: reg}
}
