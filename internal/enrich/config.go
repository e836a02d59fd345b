package enrich

import (
	"errors"
	"fmt"
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

// withDefaults returns c with every zero field at its default, or an error that
// names each field that cannot be.
func (c Config) withDefaults() (Config, error) {
	var problems []error
	if c.Concurrency == 0 {
		c.Concurrency = 64
	}
	if c.KeptBytes == 0 {
		c.KeptBytes = 2 << 20
	}
	if c.KeptBytes < 0 {
		problems = append(problems, fmt.Errorf("%s: got %d, want 0 or more", "KeptBytes", c.KeptBytes))
	}
	if c.Concurrency < 0 {
		problems = append(problems, fmt.Errorf("%s: got %d, want at least 1", "Concurrency", c.Concurrency))
	}
	for _, d := range []struct {
		name  string
		field *time.Duration
		value time.Duration
	}{
		{"CallTimeout", &c.CallTimeout, 15 * time.Second},
		{"HeadTimeout", &c.HeadTimeout, 15 * time.Minute},
		{"StopTimeout", &c.StopTimeout, 20 * time.Second},
		{"ProbeEvery", &c.ProbeEvery, 30 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
		if *d.field < 0 {
			problems = append(problems, fmt.Errorf("%s: got %v, want more than 0", d.name, *d.field))
		}
	}
	if c.MaxRate < 0 {
		problems = append(problems, fmt.Errorf("%s: got %v, want 0 or more", "MaxRate", c.MaxRate))
	}
	if c.OutageTimeout < 0 {
		problems = append(problems, fmt.Errorf("%s: got %v, want 0 or more", "OutageTimeout", c.OutageTimeout))
	}
	if c.MaxRosterAge < 0 {
		problems = append(problems, fmt.Errorf("%s: got %v, want 0 or more", "MaxRosterAge", c.MaxRosterAge))
	}
	if c.HeadTimeout > 0 && c.CallTimeout > c.HeadTimeout {
		problems = append(problems, fmt.Errorf("%s: got %v, want at most HeadTimeout (%v)", "CallTimeout", c.CallTimeout, c.HeadTimeout))
	}
	return c, errors.Join(problems...)
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
