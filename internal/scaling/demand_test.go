package scaling

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The closed form is what the simulation comes to.
func TestCallsPerEventIsTheSimulations(t *testing.T) {
	for _, changes := range []float64{0, 0.02, 0.5} {
		for _, age := range []time.Duration{2 * time.Second, 20 * time.Second} {
			s := Scenario{
				Load:   Load{Rate: 100, Conversations: 200, Changes: changes}, // 0.5 a second each
				Twilio: Twilio{Median: time.Millisecond}, Enrich: Enrich{RosterAge: age}, Seed: 9, WarmUp: 2 * age, Measure: 10 * time.Minute,
			}
			near(t, age.String(), Run(s).CallsPerEvent(), callsPerEvent(0.5, changes, age), 0.02)
		}
	}
}

func TestAgeForIsTheShortestThatIsEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, changes := rapid.Float64Range(0.01, 10).Draw(t, "rate"), rapid.Float64Range(0, 0.5).Draw(t, "changes")
		most := rapid.Float64Range(0.001, 1.5).Draw(t, "most")
		age, there := ageFor(rate, changes, most)
		switch {
		case there && callsPerEvent(rate, changes, age) > most*1.000001:
			t.Errorf("got %v, with which there are %v calls per event, want at most %v", age, callsPerEvent(rate, changes, age), most)
		case there && age > time.Second && callsPerEvent(rate, changes, age-2*time.Second) <= most:
			t.Errorf("got %v, want less: 2 s less would be enough for %v", age, most)
		case !there && callsPerEvent(rate, changes, 10_000*time.Hour) < most:
			t.Errorf("got none, and there is one for %v", most)
		}
	})
}
