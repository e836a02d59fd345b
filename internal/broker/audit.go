package broker

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/nats-io/nats.go/jetstream"
)

// Every event of RAW has an outcome in ENRICHED (its publication or its burial), or is still in QUEUE. An audit looks for those
// that are neither, and makes each a dead letter: an event that QUEUE never took from RAW, say, or that was acknowledged and not done. It knows nothing
// of how that came about.
//
// It reads ENRICHED from one end to the other, and strikes off each sequence of RAW that an outcome names. What stays open below the highest
// sequence that has an outcome, or that was delivered, is looked into after a while: see audit.look. What is beyond that sequence may be
// on its way. How far all is struck off is written down in ENRICHED, for the next process that audits.

// auditedBy is the partition whose owner audits. Two may do so at the same time without harm.
const auditedBy = 0

const (
	auditMessages   = 500 // of ENRICHED at once
	auditBytes      = 1 << 20
	auditFloorEvery = time.Minute
)

// While QUEUE holds more than auditBacklog events, their outcomes are read later: it is they that are waited for, and to read along takes some 15 % more of
// the processors for each event. But auditPutOff is the most that a round is put off.
const (
	auditBacklog = 1000
	auditPutOff  = 5 * time.Minute
)

// Audit makes a dead letter of each event that was lost between RAW and its outcome, once later events have had theirs for at least
// after. It returns when ctx is done. Of all processes that Work, one audits.
func (c *Conn) Audit(ctx context.Context, after time.Duration) {
	tick := time.NewTicker(min(max(after/4, 100*time.Millisecond), 15*time.Second))
	defer tick.Stop()
	c.metrics.auditing()
	auditOutage := newOutage(c.log.With("client", c.cfg.Name), "audit")
	var a *audit
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !c.audits.Load() {
			a = nil
			c.metrics.open.WithLabelValues().Set(0)
			continue
		}
		if a == nil {
			a = newAudit(c, after)
		}
		if err := a.round(ctx); ctx.Err() == nil {
			auditOutage.note(allPartitions, err)
		}
	}
}

// audit is what one process knows of the outcomes of RAW's events. One goroutine uses it.
type audit struct {
	conn     *Conn
	after    time.Duration
	now      func() time.Time
	identity func(created time.Time) string // of a stream

	made    time.Time     // when ENRICHED was
	since   time.Time     // outcomes of what RAW stored before may have been removed, with an earlier ENRICHED or out of this one, unread
	ids     time.Duration // for how long ENRICHED knows an id
	queue   time.Time     // when QUEUE was made
	backlog uint64        // how many events it holds
	taken   uint64        // how far in RAW it has come, at least

	epoch     string                             // of RAW
	rawMade   time.Time                          // when it was
	last      publication                        // the last that was read, of those since then
	read      uint64                             // the last message of ENRICHED that was read
	highest   uint64                             // the highest sequence of RAW that has an outcome or that QUEUE has taken
	open      *roaring64.Bitmap                  // the sequences up to it that have none
	marks     []mark                             // how far things were when, the oldest first
	next      uint64                             // where looking into open sequences goes on
	unsettled map[uint64]*jetstream.RawStreamMsg // the burials of audits, by sequence of RAW, of which nothing says that their letters are in DEAD
	waiting   waiting                            // what QUEUE holds, while much is open

	went      time.Time // when the last round went on to read
	written   uint64    // the floor that was written last
	writtenAt time.Time
}

// mark says that once ENRICHED was read up to read, at a time, the highest sequence was highest.
type mark struct {
	at            time.Time
	read, highest uint64
}

func newAudit(c *Conn, after time.Duration) *audit {
	return &audit{conn: c, after: after, now: time.Now, identity: identity, went: time.Now(), open: roaring64.New()}
}

func (a *audit) round(ctx context.Context) error {
	end, err := a.orient(ctx)
	if err != nil {
		return err
	}
	if a.backlog > auditBacklog && a.now().Sub(a.went) < auditPutOff {
		return nil
	}
	a.went = a.now()
	a.reach(a.taken)
	if err := a.catchUp(ctx, end); err != nil {
		return err
	}
	if err := a.checkIdentity(ctx); err != nil {
		return err
	}
	err = a.lookInto(ctx)
	a.conn.metrics.open.WithLabelValues().Set(float64(a.open.GetCardinality()))
	if err != nil {
		return err
	}
	return a.writeFloor(ctx)
}

// orient learns where the streams are, from their leaders, and begins anew where RAW or ENRICHED is not the one that is known. It returns the
// last sequence of ENRICHED.
func (a *audit) orient(ctx context.Context) (end uint64, err error) {
	var all [3]*jetstream.StreamInfo
	for i, stream := range []string{enrichedStream, rawStream, queueStream} {
		if all[i], err = a.conn.askLeader(ctx, stream); err != nil {
			return 0, err
		}
	}
	enriched, raw, queue := all[0], all[1], all[2]
	first := max(raw.State.FirstSeq, 1)
	if epoch := a.identity(raw.Created); a.epoch != epoch || !a.made.Equal(enriched.Created) || enriched.State.LastSeq < a.read {
		*a = audit{
			conn: a.conn, after: a.after, now: a.now, identity: a.identity, went: a.went, made: enriched.Created, since: enriched.Created,
			epoch: epoch, rawMade: raw.Created, highest: first - 1, open: roaring64.New(), unsettled: make(map[uint64]*jetstream.RawStreamMsg),
		}
		if err := a.readFloor(ctx); err != nil {
			a.epoch = ""
			return 0, err
		}
	}
	if enriched.State.FirstSeq > a.read+1 {
		a.since, a.read = oldest(enriched), enriched.State.FirstSeq-1
		a.reach(raw.State.LastSeq)
	}
	a.ids = enriched.Config.Duplicates
	a.open.RemoveRange(0, first)
	a.highest = max(a.highest, first-1)
	a.queue, a.backlog = queue.Created, queue.State.Msgs
	a.taken, err = a.conn.takenByQueue(ctx, a.epoch, queue)
	return enriched.State.LastSeq, err
}

// oldest is when the first message was stored that a stream still holds, or now.
func oldest(s *jetstream.StreamInfo) time.Time {
	if s.State.Msgs == 0 {
		return s.TimeStamp
	}
	return s.State.FirstTime
}

// catchUp reads on in ENRICHED, up to end: what is stored meanwhile is for the next round, or under load there would be no end.
func (a *audit) catchUp(ctx context.Context, end uint64) error {
	for a.read < end {
		began := time.Now()
		messages, err := a.conn.readBatch(ctx, enrichedStream, batchRequest{
			Subject: ">", Seq: a.read + 1, Batch: auditMessages, MaxBytes: auditBytes,
		})
		if err != nil {
			return err
		}
		if len(messages) == 0 { // a replica answers that is behind, or the last ones were removed
			break
		}
		for _, m := range messages {
			a.strikeOff(m)
		}
		a.read = messages[len(messages)-1].Sequence
		a.mark()
		pause(ctx, time.Since(began)) // however slow NATS and the way to it are, half of the time is left to others
	}
	a.mark()
	return a.settle(ctx)
}

// strikeOff takes note of an outcome.
func (a *audit) strikeOff(m *jetstream.RawStreamMsg) {
	o := carriedOrigin(m.Header)
	a.notePublication(m, o)
	if m.Subject == auditFloor || !o.known() || o.epoch != a.epoch {
		return
	}
	a.reach(o.seq)
	a.open.Remove(o.seq)
	switch {
	case m.Subject == auditEnded:
		delete(a.unsettled, o.seq)
	case isBurial(m) && a.conn.isMissed(m):
		a.unsettled[o.seq] = m
	}
}

// reach opens all up to seq that was not reached before.
func (a *audit) reach(seq uint64) {
	if seq > a.highest {
		a.open.AddRange(a.highest+1, seq+1)
		a.highest = seq
	}
}

// floor is the sequence of RAW up to which none is open.
func (a *audit) floor() uint64 {
	if a.open.IsEmpty() {
		return a.highest
	}
	return a.open.Minimum() - 1
}

// marksKept is some twelve hours' worth of rounds.
const marksKept = 3000

// mark notes how far things are. Those marks go that nothing follows from any more: all that are old enough and at or below the
// floor, but for the last.
func (a *audit) mark() {
	now, floor := a.now(), a.floor()
	if n := len(a.marks); n > 0 && a.marks[n-1].highest == a.highest {
		a.marks[n-1].read = a.read
	} else {
		a.marks = append(a.marks, mark{now, a.read, a.highest})
	}
	for len(a.marks) > 1 && a.marks[1].highest <= floor && now.Sub(a.marks[1].at) >= a.after {
		a.marks = a.marks[1:]
	}
	if len(a.marks) > marksKept { // a sequence has been open for long: the marks may be further apart
		kept := a.marks[:0]
		for i, m := range a.marks {
			if i%2 == 0 {
				kept = append(kept, m)
			}
		}
		a.marks = kept
	}
}

// ripe is the sequence below which what is open has been so for long enough to be looked into.
func (a *audit) ripe() (highest uint64) {
	now := a.now()
	for _, m := range a.marks {
		if now.Sub(m.at) < a.after {
			break
		}
		highest = m.highest
	}
	return highest
}

// readFloor takes over how far another process, or this one before, has come. Without that the whole of ENRICHED is read.
func (a *audit) readFloor(ctx context.Context) error {
	m, err := a.conn.getLast(ctx, enrichedStream, auditFloor)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	o := carriedOrigin(m.Header)
	read, malformed := strconv.ParseUint(m.Header.Get(headerRead), 10, 64)
	if o.epoch == a.epoch && malformed == nil {
		a.highest, a.written, a.read = max(a.highest, o.seq), o.seq, read
	}
	return nil
}

// writeFloor writes down how far every event has an outcome, and where in ENRICHED to read on for those after it: no
// outcome up to there is of a later event.
func (a *audit) writeFloor(ctx context.Context) error {
	floor, now := a.floor(), a.now()
	var done mark
	for _, m := range a.marks {
		if m.highest <= floor {
			done = m
		}
	}
	if done.highest <= a.written || now.Sub(a.writtenAt) < auditFloorEvery {
		return nil
	}
	note := auditNote(auditFloor, origin{a.epoch, done.highest})
	note.Header.Set(headerRead, strconv.FormatUint(done.read, 10))
	if err := a.conn.writeNote(ctx, note); err != nil {
		return err
	}
	a.written, a.writtenAt = done.highest, now
	return nil
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
