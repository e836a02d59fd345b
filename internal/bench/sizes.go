package bench

import "time"

// sizes are how much of everything there is.
type sizes struct {
	rounds   int
	webhooks map[mode]int  // of a closed loop
	open     time.Duration // of an open loop
	calls    int           // raw API GETs
	turns    int           // of each of 500 conversations, one event each
	bursts   int           // of each of them, 8 events each
	endToEnd time.Duration
	backlog  int           // events queued, for memory
	slow     time.Duration // how long an API takes that does not answer
	scale    int           // conversations at 1x
	soak     time.Duration
	most     int // conversations of what is measured with 500
}

func full() sizes {
	return sizes{
		rounds: 3, webhooks: map[mode]int{defaultSync: 40_000, syncAlways: 10_000}, open: 8 * time.Second, calls: 20_000,
		turns: 30, bursts: 8, endToEnd: 15 * time.Second, backlog: 100_000, slow: 10 * time.Second, scale: 500, soak: 5 * time.Minute, most: 500,
	}
}

func short() sizes {
	return sizes{
		rounds: 1, webhooks: map[mode]int{defaultSync: 2000, syncAlways: 500}, open: time.Second, calls: 1000,
		turns: 2, bursts: 2, endToEnd: 2 * time.Second, backlog: 2000, slow: 2 * time.Second, scale: 10, soak: 3 * time.Second, most: 100,
	}
}
