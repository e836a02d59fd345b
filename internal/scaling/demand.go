package scaling

import (
	"math"
	"time"
)

// callsPerEvent is what a roster age leaves of one call for each event, in a conversation with the given events a second (Poisson), of
// which a share changes who is there, where the age is longer than a call. A call serves the event that it is made for, and all that
// follow within the age, up to the first that changes who is there.
func callsPerEvent(rate, changes float64, age time.Duration) float64 {
	served := rate * age.Seconds()
	if changes > 0 {
		served = -(1 - changes) * math.Expm1(-changes*rate*age.Seconds()) / changes
	}
	return 1 / (1 + served)
}

// ageFor is the shortest roster age, in whole seconds, with which callsPerEvent comes to at most the given number. There is none
// where what changes who is there alone is more.
func ageFor(rate, changes, most float64) (age time.Duration, there bool) {
	served := 1/most - 1
	switch {
	case most >= 1:
		return 0, true
	case changes == 0:
		return seconds(served / rate), true
	case changes*served >= 1-changes:
		return 0, false
	}
	return seconds(-math.Log1p(-changes*served/(1-changes)) / (changes * rate)), true
}

func seconds(s float64) time.Duration { return time.Duration(math.Ceil(s)) * time.Second }

// callsAllowed is how many calls a second an account can be planned to make with the given number at once (Little's law).
func callsAllowed(atOnce float64) float64 { return atOnce * limitLoad / assumedTwilio.mean().Seconds() }
