package enrich

import (
	"cmp"
	"errors"
	"time"

	"golang.org/x/time/rate"
)

// Config is how a Pipeline behaves. The zero value of a field means its default.
type Config struct {
	Concurrency int           // calls to Twilio under way at once: default 64
	CallTimeout time.Duration // for one call, all its pages: default 15 s
	HeadTimeout time.Duration // how long one event may hold up its conversation while it can be looked up: default 15 min
	// OutageTimeout is how long one event may hold up its conversation while its host fails as a whole, counted from when it became the first in
	// it, for whatever reason it has waited. 0, the default: for as long as the host does.
	OutageTimeout time.Duration
	StopTimeout   time.Duration // for calls under way when stopping: default 20 s
	ProbeEvery    time.Duration // how often an account whose credentials Twilio refuses is tried again: default 30 s

	// KeptBytes is about how much memory the events of waiting tasks may take: default 2 MiB. An event beyond it is read again
	// when it is the head of its conversation, which takes some microseconds.
	KeptBytes int

	// MaxRate is how many requests a second each account may make on average, of all enrichers together; 0 is no limit. Each page of a list is one. The
	// pages of one list follow each other at once, and the account's next calls wait until the average allows them.
	MaxRate float64
	// Enrichers says how many processes there are now that share MaxRate, and each takes an even part; nil is this one alone.
	Enrichers func() int
	// MaxRosterAge is how old a roster may be that is given to an event that does not change who is there: its fetch may have
	// begun so long before the event came to this process. 0: it began after the event came.
	MaxRosterAge time.Duration
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Concurrency: 64, CallTimeout: 15 * time.Second, HeadTimeout: 15 * time.Minute, StopTimeout: 20 * time.Second, ProbeEvery: 30 * time.Second,
		KeptBytes: 2 << 20,
	}
}

func (c Config) withDefaults() Config {
	d := DefaultConfig()
	c.Concurrency = cmp.Or(c.Concurrency, d.Concurrency)
	c.CallTimeout = cmp.Or(c.CallTimeout, d.CallTimeout)
	c.HeadTimeout = cmp.Or(c.HeadTimeout, d.HeadTimeout)
	c.StopTimeout = cmp.Or(c.StopTimeout, d.StopTimeout)
	c.ProbeEvery = cmp.Or(c.ProbeEvery, d.ProbeEvery)
	c.KeptBytes = cmp.Or(c.KeptBytes, d.KeptBytes)
	return c
}

// Problem is one field of a Config that is wrong.
type Problem struct {
	Field string // the Config's field: "MaxRate"
	Wrong string
	Do    string // what to do about it
}

func (p Problem) String() string { return p.Field + " " + p.Wrong + ": " + p.Do }

// Problems returns everything that is wrong with c, in which nothing is left to its default.
func (c Config) Problems() []Problem {
	var ps []Problem
	note := func(bad bool, field, wrong, do string) {
		if bad {
			ps = append(ps, Problem{field, wrong, do})
		}
	}
	const aDuration = "give a duration such as 15s"
	note(c.Concurrency < 1 || c.Concurrency > 4096, "Concurrency", "is out of range", "give 1 to 4096")
	note(c.CallTimeout <= 0, "CallTimeout", "is not positive", aDuration)
	note(c.HeadTimeout <= 0, "HeadTimeout", "is not positive", aDuration)
	note(c.StopTimeout <= 0, "StopTimeout", "is not positive", aDuration)
	note(c.ProbeEvery <= 0, "ProbeEvery", "is not positive", aDuration)
	note(c.KeptBytes <= 0, "KeptBytes", "is not positive", "give a number of bytes")
	note(!(c.MaxRate >= 0 && c.MaxRate <= 10_000), "MaxRate", "is out of range", "give 0 to 10000 requests a second; 0 is no limit") // NaN is neither
	note(c.OutageTimeout < 0, "OutageTimeout", "is negative", "give a duration such as 24h, or 0s")
	note(c.MaxRosterAge < 0, "MaxRosterAge", "is negative", "give a duration such as 2s, or 0s")
	note(c.HeadTimeout > 0 && c.CallTimeout > c.HeadTimeout, "CallTimeout", "is longer than the head timeout", "let an event wait for at least one call")
	return ps
}

func (c Config) validate() error {
	var errs []error
	for _, p := range c.Problems() {
		errs = append(errs, errors.New(p.String()))
	}
	return errors.Join(errs...)
}

// rate is this process's part of MaxRate.
func (c Config) rate() rate.Limit {
	switch {
	case c.MaxRate == 0:
		return rate.Inf
	case c.Enrichers == nil:
		return rate.Limit(c.MaxRate)
	}
	return rate.Limit(c.MaxRate / float64(max(1, c.Enrichers())))
}
