package scaling

import (
	"cmp"
	"time"
)

// Scenario is what to simulate: the webhooks of one account, Twilio's API, and the enrichers. The zero value of a field
// means its default, unless it says otherwise.
type Scenario struct {
	Load    Load
	Twilio  Twilio
	Enrich  Enrich
	Seed    uint64
	WarmUp  time.Duration // of virtual time, before anything is counted: 0 is none
	Measure time.Duration // of virtual time, that is counted: default 1 min
}

// Load is the arrival process: bursts that come by chance (Poisson), each in one conversation.
type Load struct {
	Rate          float64 // webhooks a second, all in all
	Conversations int     // that bursts fall on; 0: each burst is in a new conversation
	Zipf          float64 // the n-th conversation gets a share of 1/n^Zipf; 0: all alike
	Burst         float64 // webhooks in a burst on average (geometric): default 1, no bursts
	Gap           time.Duration
	Changes       float64 // share of the events that change who is there, and so never have an old roster
}

// Twilio is the model of the API.
type Twilio struct {
	Median  time.Duration // of an answered call: default 80 ms
	Sigma   float64       // of its logarithm (the time is log-normal); 0: every call takes the median
	Limit   int           // calls of the account at once, beyond which it answers 429; 0: no limit
	Refusal time.Duration // what a 429 takes: default 20 ms
}

// Enrich is the model of the enrichers: a key's events all go to the same one.
type Enrich struct {
	Processes   int           // default 1
	Concurrency int           // calls under way at once for each process: default 64, the enricher's
	RosterAge   time.Duration // --max-roster-age
	Roster      int           // participants in a conversation: default 3
	Store       time.Duration // what NATS takes to finish one event, during which its lane waits; 0: no time
	Partitions  int           // of QUEUE: default 8, the enricher's
}

func (s Scenario) withDefaults() Scenario {
	s.Measure = cmp.Or(s.Measure, time.Minute)
	s.Load.Burst = max(s.Load.Burst, 1)
	s.Twilio.Median = cmp.Or(s.Twilio.Median, 80*time.Millisecond)
	s.Twilio.Refusal = cmp.Or(s.Twilio.Refusal, 20*time.Millisecond)
	s.Enrich.Processes = cmp.Or(s.Enrich.Processes, 1)
	s.Enrich.Concurrency = cmp.Or(s.Enrich.Concurrency, 64)
	s.Enrich.Roster = cmp.Or(s.Enrich.Roster, 3)
	s.Enrich.Partitions = cmp.Or(s.Enrich.Partitions, 8)
	return s
}
