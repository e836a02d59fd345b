package scaling

import "time"

// fresh says that each burst is in a conversation of its own.
const fresh = 0

const (
	usualChanges = 0.02 // of the events; an assumption
	usualAge     = 20 * time.Second
)

// scenarios are those of the page: the webhooks of one account. A burst of 5 is a message and its deliveries, some 200 ms apart.
func scenarios() []Scenario {
	return []Scenario{
		one(100, fresh, 1, 0, 100),
		one(100, fresh, 1, 0, 10),
		one(100, 1000, 1, usualAge, 10),
		one(100, fresh, 5, 0, 20),
		one(100, 1000, 5, 0, 20),
		one(100, 1000, 5, usualAge, 20),
		one(1000, fresh, 1, 0, 100),
		one(1000, fresh, 5, 0, 100),
		one(1000, fresh, 5, usualAge, 100),
		one(1000, 10_000, 1, usualAge, 100),
		one(1000, 10_000, 5, usualAge, 20),
		one(10_000, fresh, 5, 0, 100),
		one(10_000, 100_000, 5, usualAge, 100),
		one(10_000, 100_000, 5, usualAge, 200),
		one(10_000, 10_000, 5, usualAge, 100),
		one(30, 1, 1, 0, 20),
		one(30, 1, 1, usualAge, 20),
		one(300, 1, 1, 0, 20),
		one(300, 1, 1, usualAge, 20),
	}
}

// one is a scenario with the page's assumptions.
func one(rate float64, conversations int, burst float64, age time.Duration, limit int) Scenario {
	s := Scenario{
		Load:    Load{Rate: rate, Conversations: conversations, Zipf: 0.5, Burst: burst, Gap: 200 * time.Millisecond, Changes: usualChanges},
		Twilio:  assumedTwilio,
		Enrich:  Enrich{RosterAge: age, Store: 2 * time.Millisecond, Processes: processes(rate)},
		Seed:    1,
		WarmUp:  max(age, 5*time.Second),
		Measure: time.Duration(30_000/rate+3) * time.Second,
	}
	s.Twilio.Limit = limit
	return s
}

// processes are enough for the calls of an account not to be bounded by --concurrency, 64 for each, before its limit.
func processes(rate float64) int { return 1 + min(int(rate/1000), 7) }
