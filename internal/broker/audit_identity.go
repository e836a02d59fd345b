package broker

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// identity is what the server calls a stream that was created at a time, in the headers of what is sourced from it
// (nats-server 2.15: stream.identity). It is told nowhere else. Should a later server do it otherwise, checkIdentity finds out.
func identity(created time.Time) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	digest := sha256.Sum256([]byte(created.UTC().Format(time.RFC3339Nano)))
	id := digest[:8]
	for i := range id {
		id[i] = digits[int(id[i])%len(digits)]
	}
	return string(id)
}

// errIdentity says that the audit is of no use.
var errIdentity = errors.New("this server names stream " + rawStream + " in another way than nats-server 2.15, so that the audit cannot tell outcomes apart and finds no lost event: " +
	"run the version of nats-server that this release is built with, or a later release of rollcall")

// publication is an enriched event.
type publication struct {
	origin
	id string
}

// notePublication keeps the last publication since RAW was made: it has the name that the server gives to RAW, or to one before it whose events were
// still under way.
func (a *audit) notePublication(m *jetstream.RawStreamMsg, o origin) {
	if o.known() && strings.HasPrefix(m.Subject, enrichedPrefix) && m.Time.After(a.rawMade) {
		a.last = publication{o, m.Header.Get(jetstream.MsgIDHeader)}
	}
}

// checkIdentity returns errIdentity where the last publication names another RAW than identity does, and yet is of this one, as the same event is there
// at the same sequence.
func (a *audit) checkIdentity(ctx context.Context) error {
	if !a.last.known() || a.last.epoch == a.epoch {
		return nil
	}
	m, err := a.conn.getFromLeader(ctx, rawStream, a.last.seq, "")
	if err != nil {
		return err
	}
	if m == nil || a.last.id == "" || m.Header.Get(jetstream.MsgIDHeader) != a.last.id {
		a.last = publication{}
		return nil
	}
	return errIdentity
}
