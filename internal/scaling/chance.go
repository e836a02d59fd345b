package scaling

import (
	"math"
	"math/rand/v2"
	"sort"
	"time"
)

// chance is where all that is random comes from: the same seed, the same run.
type chance struct {
	*rand.Rand
	shares []float64 // of the conversations, summed up
}

func newChance(seed, stream uint64, l Load) *chance {
	c := &chance{Rand: rand.New(rand.NewPCG(seed, stream))} //nolint:gosec // a simulation, not a secret
	sum := 0.0
	for n := range l.Conversations {
		sum += math.Pow(float64(n+1), -l.Zipf)
		c.shares = append(c.shares, sum)
	}
	return c
}

// conversation draws one by its share.
func (c *chance) conversation() int {
	last := len(c.shares) - 1
	return min(sort.SearchFloat64s(c.shares, c.Float64()*c.shares[last]), last)
}

// burst draws a size of at least 1, with the given mean.
func (c *chance) burst(mean float64) int {
	n := 1
	for c.Float64() > 1/mean {
		n++
	}
	return n
}

// wait draws the time to the next of events that come by chance, with the given mean.
func (c *chance) wait(mean time.Duration) time.Duration {
	return time.Duration(c.ExpFloat64() * float64(mean))
}

// latency draws how long an answered call takes.
func (c *chance) latency(t Twilio) time.Duration {
	return time.Duration(float64(t.Median) * math.Exp(t.Sigma*c.NormFloat64()))
}

// upTo is enrich's: more than nothing and at most d.
func (c *chance) upTo(d time.Duration) time.Duration {
	return time.Duration(c.Int64N(int64(max(d, 1)))) + 1
}

// mean is what an answered call takes on average.
func (t Twilio) mean() time.Duration {
	return time.Duration(float64(t.Median) * math.Exp(t.Sigma*t.Sigma/2))
}
