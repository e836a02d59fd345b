package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-events/rollcall/events"
)

// Role is what a Conn is for, and so what Ready asks of NATS. A process may use
// no more of NATS than its role's user is allowed.
type Role string

// The roles.
const (
	RoleIngest      Role = "ingest"      // may store in RAW and DEAD
	RoleEnricher    Role = "enricher"    // may take from QUEUE, store in ENRICHED and DEAD, and read all three and RAW
	RoleProvisioner Role = "provisioner" // may create the streams
)

// stores returns the stages that a role stores at.
func (r Role) stores() []events.Stage {
	switch r {
	case RoleIngest:
		return []events.Stage{events.StageRaw, events.StageDead}
	case RoleEnricher:
		return []events.Stage{events.StageEnriched, stageBuried, events.StageDead, stageAudit}
	}
	return nil
}

// Config is how to reach NATS.
type Config struct {
	URL          string // comma-separated
	CredsFile    string // a .creds file; at most one of the two
	NKeySeedFile string
	Name         string // the client's name, as the server lists it: letters, digits, "-" and "_"; its inbox prefix is "_INBOX_<Name>"
	Role         Role   // what Ready checks; "" checks the connection alone
	Log          *slog.Logger
	Registerer   prometheus.Registerer // may be nil
	FailFast     bool                  // a publish while disconnected fails at once instead of being buffered
}

var clientName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// options checks cfg, all of it, and returns what to connect with. No error says what a URL
// or a file holds: both may hold secrets.
func (cfg Config) options() ([]nats.Option, error) {
	auth, authErr := cfg.auth()
	var nameErr error
	if !clientName.MatchString(cfg.Name) {
		nameErr = errors.New("NATS client name: must be 1 to 64 letters, digits, - and _")
	}
	var roleErr error
	switch cfg.Role {
	case "", RoleIngest, RoleEnricher, RoleProvisioner:
	default:
		roleErr = errors.New("NATS role: must be ingest, enricher, provisioner or empty")
	}
	if err := errors.Join(nameErr, roleErr, authErr); err != nil {
		return nil, err
	}
	return append([]nats.Option{nats.Name(cfg.Name), nats.CustomInboxPrefix("_INBOX_" + cfg.Name)}, auth...), nil
}

func (cfg Config) auth() ([]nats.Option, error) {
	switch {
	case cfg.CredsFile != "" && cfg.NKeySeedFile != "":
		return nil, errors.New("NATS credentials: give a creds file or an nkey seed file, not both")
	case cfg.CredsFile != "":
		if err := checkCreds(cfg.CredsFile); err != nil {
			return nil, err
		}
		return []nats.Option{nats.UserCredentials(cfg.CredsFile)}, nil
	case cfg.NKeySeedFile != "":
		nkey, err := nats.NkeyOptionFromSeed(cfg.NKeySeedFile)
		if err != nil {
			return nil, fmt.Errorf("read the NATS nkey seed file: %w", err)
		}
		return []nats.Option{nkey}, nil
	}
	return nil, nil
}

// checkCreds reads the file now, since the client itself reads it only once it has a connection.
func checkCreds(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the NATS creds file: %w", err)
	}
	defer clear(b)
	if _, err := nkeys.ParseDecoratedJWT(b); err != nil {
		return errors.New("read the NATS creds file: it holds no user JWT")
	}
	key, err := nkeys.ParseDecoratedNKey(b)
	if err != nil {
		return errors.New("read the NATS creds file: it holds no nkey seed")
	}
	key.Wipe()
	return nil
}

// checkURLs returns which of the comma-separated URLs cannot be one, by position: a URL may hold a password.
func checkURLs(urls string) error {
	var errs []error
	for i, s := range splitURLs(urls) {
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" {
			errs = append(errs, fmt.Errorf("NATS URL %d of the list: not a URL with a host", i+1))
			continue
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			errs = append(errs, fmt.Errorf("NATS URL %d of the list: the scheme must be nats, tls, ws or wss", i+1))
		}
	}
	return errors.Join(errs...)
}

// splitURLs returns those of a list of servers, each with its scheme, as the client reads it.
func splitURLs(urls string) []string {
	all := strings.Split(urls, ",")
	for i, s := range all {
		if all[i] = strings.TrimSpace(s); !strings.Contains(s, "://") {
			all[i] = "nats://" + all[i]
		}
	}
	return all
}
