package broker

import (
	"fmt"
	"strings"
	"time"
)

// Problem is one field of a Config or a Topology that is wrong.
type Problem struct {
	Field string // "CredsFile", "RawAge"
	Wrong string
	Do    string // what to do about it
}

func (p Problem) String() string { return p.Field + " " + p.Wrong + ": " + p.Do }

// Problems returns everything that is wrong with where NATS is and how to log in there: what Connect refuses. It reads the
// files that cfg names, and says nothing of what they or the URLs hold.
func (cfg Config) Problems() []Problem {
	var ps []Problem
	note := func(err error, field, do string) {
		if err != nil {
			ps = append(ps, Problem{field, fmt.Sprintf("cannot be used (%s)", strings.ReplaceAll(err.Error(), "\n", "; ")), do})
		}
	}
	note(checkURLs(cfg.URL), "URL", "give URLs such as nats://127.0.0.1:4222, separated by commas")
	_, badCreds := Config{CredsFile: cfg.CredsFile}.auth()
	note(badCreds, "CredsFile", "name the file that nsc wrote for this user")
	_, badSeed := Config{NKeySeedFile: cfg.NKeySeedFile}.auth()
	note(badSeed, "NKeySeedFile", "name the file that nk wrote for this user")
	if cfg.CredsFile != "" && cfg.NKeySeedFile != "" {
		ps = append(ps, Problem{"CredsFile", "is given together with an nkey seed file", "give the one that your NATS account uses"})
	}
	return ps
}

// DefaultTopology returns the defaults.
func DefaultTopology() Topology { return Topology{}.withDefaults() }

// Problems returns everything that is wrong with t, in which nothing but EnrichedAge and Duplicates is left to its default: what Provision refuses.
func (t Topology) Problems() []Problem {
	var ps []Problem
	note := func(bad bool, field, wrong, do string) {
		if bad {
			ps = append(ps, Problem{field, wrong, do})
		}
	}
	whole := t.withDefaults()
	t.EnrichedAge, t.Duplicates = whole.EnrichedAge, whole.Duplicates
	note(t.Partitions < 1 || t.Partitions > 256, "Partitions", "is out of range", "give 1 to 256")
	note(t.Replicas != 1 && t.Replicas != 3 && t.Replicas != 5, "Replicas", "is out of range", "give 1, 3 or 5")
	note(t.RawAge < time.Second, "RawAge", "is too short", "give at least 1s")
	note(t.DeadAge < time.Second, "DeadAge", "is too short", "give at least 1s")
	// What RAW still holds can come into QUEUE again (after a power cut, or when QUEUE is made anew). What ENRICHED
	// holds then tells that it is done already.
	note(t.EnrichedAge < t.RawAge, "EnrichedAge", "is shorter than raw events are kept", "give at least as long, or leave it away")
	note(t.Duplicates < 100*time.Millisecond, "Duplicates", "is too short", "give at least 100ms")
	note(t.Duplicates > min(t.RawAge, t.DeadAge), "Duplicates", "is longer than raw events or dead letters are kept", "give at most the shorter of the two, or leave it away")
	note(t.AckWait < 100*time.Millisecond, "AckWait", "is too short", "give at least 100ms")
	note(t.MaxAckPending < 64 || t.MaxAckPending > 100_000, "MaxAckPending", "is out of range", "give 64 to 100000")
	return ps
}

// How long the audit lets an event be, unless told otherwise and at least: before, it would ask about what is merely under way.
const (
	DefaultAuditAfter = 2 * time.Minute
	MinAuditAfter     = 30 * time.Second
)
