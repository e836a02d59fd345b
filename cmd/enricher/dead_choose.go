package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/settings"
)

// DeadFilter says which letters.
type DeadFilter struct {
	Reason   []string `placeholder:"REASON" help:"Only letters with one of these reasons: unparseable, invalid, foreign_account, not_found, refused, contract, overdue, too_large, corrupt, missed."`
	API      string   `name:"api" placeholder:"API" help:"Only letters of this API: conversations, flex, orchestrator, or unknown."`
	Resource string   `placeholder:"NAME" help:"Only letters about this kind of resource, such as message or participant."`
	Key      string   `placeholder:"ID" help:"Only letters of this conversation; of this Flex channel, user or account, for events that have no conversation."`
	Since    string   `placeholder:"WHEN" help:"Only letters buried since then: a time (2026-01-02T15:04:05Z), a day (2026-01-02, UTC), or how long ago (90m)."`
	Until    string   `placeholder:"WHEN" help:"Only letters buried before then."`
	Limit    *int     `placeholder:"N" help:"At most so many letters, the oldest."`
}

var (
	resourceToken = regexp.MustCompile(`^[a-z_]{1,32}$`)
	keyToken      = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
)

// Check implements settings.Checker.
func (f *DeadFilter) Check() (ps settings.Problems) {
	for _, r := range f.Reason {
		if !slices.Contains(events.Reasons(), events.Reason(r)) {
			ps.Add("--reason", "names no reason", "give one of those that --help lists")
		}
	}
	if f.API != "" && !slices.Contains([]string{"conversations", "flex", "orchestrator", events.Unknown}, f.API) {
		ps.Add("--api", "names no API", "give conversations, flex, orchestrator or unknown")
	}
	if f.Resource != "" && !resourceToken.MatchString(f.Resource) {
		ps.Add("--resource", "is not a resource", "give one as ls shows it, such as message")
	}
	if f.Key != "" && !keyToken.MatchString(f.Key) {
		ps.Add("--key", "is not a key", "give one as ls shows it, such as CH...")
	}
	if f.Limit != nil && *f.Limit < 1 { // 0 must not be all of them
		ps.Add("--limit", "is no number of letters", "give 1 or more, or leave it away")
	}
	checkWhen(&ps, "--since", f.Since)
	checkWhen(&ps, "--until", f.Until)
	if between := f.broker(time.Now()); !between.Before.IsZero() && !between.Since.Before(between.Before) {
		ps.Add("--until", "is not after --since", "give a later time")
	}
	return ps
}

func checkWhen(ps *settings.Problems, flag, text string) {
	if _, err := parseWhen(text, time.Now()); err != nil {
		ps.Add(flag, "is not a time", "give one such as 2026-01-02T15:04:05Z, 2026-01-02 or 90m")
	}
}

// parseWhen reads a time, a day, or how long before now. No text is the zero time.
func parseWhen(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, nil
	}
	return time.Parse(time.RFC3339, text)
}

// given reports whether anything but a limit is asked for.
func (f *DeadFilter) given() bool {
	return len(f.Reason) > 0 || cmp.Or(f.API, f.Resource, f.Key, f.Since, f.Until) != ""
}

// most is how many letters there may be; 0 is all.
func (f *DeadFilter) most() int {
	if f.Limit == nil {
		return 0
	}
	return *f.Limit
}

func (f *DeadFilter) broker(now time.Time) broker.DeadFilter {
	since, _ := parseWhen(f.Since, now) // Check has read them
	until, _ := parseWhen(f.Until, now)
	filter := broker.DeadFilter{API: f.API, Resource: f.Resource, Key: f.Key, Since: since, Before: until}
	for _, r := range f.Reason {
		filter.Reasons = append(filter.Reasons, events.Reason(r))
	}
	return filter
}

// DeadChoice says which letters a command is done to: named ones, those of a filter, or all.
type DeadChoice struct {
	ID         []string `arg:"" optional:"" name:"letter" help:"The letters, by number or by their events' ids; digits alone are a number, id:17 is an id."`
	All        bool     `help:"All letters."`
	DeadFilter `embed:""`
}

// Check implements settings.Checker.
func (c *DeadChoice) Check() settings.Problems {
	ps := c.DeadFilter.Check()
	switch {
	case len(c.ID) > 0 && (c.given() || c.All || c.Limit != nil):
		ps.Add("--all", "or a filter is given together with letters", "give either letters or filters")
	case len(c.ID) == 0 && !c.given() && !c.All:
		ps.Add("--all", "is not given, nor letters or a filter", "say which letters are meant")
	}
	return ps
}

// chosen is the letters that a command is done to. After size, going through them finds none that came later.
type chosen struct {
	conn    *broker.Conn
	named   []broker.Buried // those that were named, or else
	filter  broker.DeadFilter
	limit   int
	missing []string // named, and not there
}

// choose finds the named letters; those of a filter are only read when they are gone through. It is an error when none of the named ones is there. When only
// some are missing, as when the same command was interrupted before, the others are chosen, and absent tells of those.
func (c *DeadChoice) choose(ctx context.Context, conn *broker.Conn) (chosen, error) {
	if len(c.ID) == 0 {
		return chosen{conn: conn, filter: c.broker(time.Now()), limit: c.most()}, nil
	}
	named, missing, err := findLetters(ctx, conn, c.ID)
	letters := chosen{named: named, missing: missing}
	if err == nil && len(named) == 0 {
		err = fmt.Errorf("%w; nothing was done", letters.absent())
	}
	return letters, err
}

// absent is the error of those that were named and are not there; nil when there are none.
func (c *chosen) absent() error {
	if len(c.missing) == 0 {
		return nil
	}
	return fmt.Errorf("there is no dead letter %s: it may have been replayed or removed already", some(c.missing))
}

// some names the first of them, and how many more there are.
func some(ids []string) string {
	const most = 10
	if len(ids) <= most {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:most], ", "), len(ids)-most)
}

func (c *chosen) letters(ctx context.Context) iter.Seq2[broker.Buried, error] {
	if c.conn != nil {
		return limited(c.conn.DeadLetters(ctx, c.filter), c.limit)
	}
	return func(yield func(broker.Buried, error) bool) {
		for _, b := range c.named {
			if !yield(b, nil) {
				return
			}
		}
	}
}

// size goes through the letters once, and holds the next time to what there was.
func (c *chosen) size(ctx context.Context) (n int, err error) {
	for b, err := range c.letters(ctx) {
		if err != nil {
			return 0, err
		}
		c.filter.Last = b.Sequence
		n++
	}
	if n == 0 {
		*c = chosen{missing: c.missing} // a filter without a last letter would find what comes from now on
	}
	return n, nil
}

func limited(letters iter.Seq2[broker.Buried, error], limit int) iter.Seq2[broker.Buried, error] {
	if limit == 0 {
		return letters
	}
	return func(yield func(broker.Buried, error) bool) {
		left := limit
		for b, err := range letters {
			if left--; !yield(b, err) || left == 0 {
				return
			}
		}
	}
}

// findLetters returns the letters that names name, in the order in which they were buried, and the names of those that are not there. An id may be that
// of several.
func findLetters(ctx context.Context, conn *broker.Conn, names []string) (letters []broker.Buried, absent []string, err error) {
	found := map[uint64]broker.Buried{}
	missing := map[string]bool{}
	ids := map[string]string{} // to the names that were given for them
	for _, name := range names {
		if !isNumber(name) {
			ids[strings.TrimPrefix(name, "id:")] = name
			continue
		}
		b, err := letterNumber(ctx, conn, name)
		switch {
		case errors.Is(err, broker.ErrNoLetter):
			missing[name] = true
		case err != nil:
			return nil, nil, err
		default:
			found[b.Sequence] = b
		}
	}
	if err := findIDs(ctx, conn, ids, found); err != nil {
		return nil, nil, err
	}
	for _, name := range ids {
		missing[name] = true
	}
	return inOrder(found), sorted(missing), nil
}

// isNumber reports whether name is a letter's number, not an event's id: digits alone. An id that is made of digits is told apart by
// "id:" in front of it.
func isNumber(name string) bool { return strings.Trim(name, "0123456789") == "" }

func letterNumber(ctx context.Context, conn *broker.Conn, number string) (broker.Buried, error) {
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil || seq == 0 {
		return broker.Buried{}, broker.ErrNoLetter // no letter has such a number
	}
	return conn.DeadLetter(ctx, seq)
}

// findIDs moves what it finds from ids to found.
func findIDs(ctx context.Context, conn *broker.Conn, ids map[string]string, found map[uint64]broker.Buried) error {
	if len(ids) == 0 {
		return nil
	}
	for b, err := range conn.DeadLetters(ctx, broker.DeadFilter{IDs: slices.Collect(maps.Keys(ids))}) {
		if err != nil {
			return err
		}
		found[b.Sequence] = b
		delete(ids, b.Letter.ID)
	}
	return nil
}

// sorted returns what is in set: first the numbers, by their value.
func sorted(set map[string]bool) []string {
	return slices.SortedFunc(maps.Keys(set), func(a, b string) int {
		if n, m := number(a), number(b); n != m {
			return cmp.Compare(n, m)
		}
		return cmp.Compare(a, b)
	})
}

// number is the number of a letter; the highest for what is none.
func number(id string) uint64 {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return math.MaxUint64
	}
	return n
}

func inOrder(found map[uint64]broker.Buried) []broker.Buried {
	var all []broker.Buried
	for _, b := range found {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b broker.Buried) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return all
}
