package broker

import (
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// headerStreamSource is what the server says about where a sourced message comes from.
const headerStreamSource = "Nats-Stream-Source"

// origin is an event's place in RAW: what order on a key is counted by. The epoch is the identity
// of the RAW stream (a digest of its creation time, made by the server), since sequences
// start again when a stream is made anew. Within an epoch a sequence comes only once, unless RAW lost its end in a power cut for want of
// sync_interval: always: a new event then gets the sequence of one that was done, and is taken for that. The zero origin is unknown.
type origin struct {
	epoch string
	seq   uint64
}

func (o origin) known() bool { return o.epoch != "" && o.seq != 0 }

// reaches reports whether o is at or after p in the same RAW stream: across epochs nothing is
// comparable, and an unknown origin reaches nothing. An event is then done again rather than never.
func (o origin) reaches(p origin) bool {
	return o.known() && o.epoch == p.epoch && o.seq >= p.seq
}

// sourceOrigin reads the origin of a message that QUEUE took from RAW.
func sourceOrigin(h nats.Header) origin {
	o, _ := source(h)
	return o
}

// source reads what a message of QUEUE says of where it comes from: its origin, and its subject in RAW. The header's value is
// "<stream> <sequence> <filter> <transform> <subject> <identity>"; servers before 2.15 leave the identity out, and the
// origin is then unknown.
func source(h nats.Header) (o origin, subject string) {
	fields := strings.Split(h.Get(headerStreamSource), " ")
	if len(fields) != 6 || fields[0] != rawStream {
		return origin{}, ""
	}
	return parseOrigin(fields[1], fields[5]), fields[4]
}

// carriedOrigin reads the origin that a message of ENRICHED or DEAD carries.
func carriedOrigin(h nats.Header) origin {
	return parseOrigin(h.Get(headerRawSeq), h.Get(headerRawEpoch))
}

func parseOrigin(seq, epoch string) origin {
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil || n == 0 || epoch == "" {
		return origin{}
	}
	return origin{epoch: epoch, seq: n}
}

func (o origin) write(h nats.Header) {
	h.Set(headerRawSeq, strconv.FormatUint(o.seq, 10))
	h.Set(headerRawEpoch, o.epoch)
}
