package chaos

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// load sends webhooks at a steady rate: a third of them to 10 hot conversations, the others to 490 more. Each conversation's
// go one after the other to the one ingest that is its own.
type load struct {
	crowd  *crowd
	talks  []talk
	next   []int // the number of each talk's next message
	random *rand.Rand
}

// mostWaiting is how many webhooks of one conversation may wait for the one before; beyond, none is made.
const mostWaiting = 1000

func newLoad(c *crowd, seed uint64) *load {
	l := &load{crowd: c, random: rand.New(rand.NewPCG(seed, 1))}
	for i := range 500 {
		l.talks = append(l.talks, talk{Talk: named(fmt.Sprint(i)), known: i%50 != 11, uneasy: i%25 == 3})
	}
	l.next = make([]int, len(l.talks))
	c.r.world.Change(func(s *sandbox.State) {
		for _, t := range l.talks {
			if t.known {
				s.AddConversation(t.Conversation())
			}
		}
	})
	return l
}

// run sends until end, and returns when all of it is answered.
func (l *load) run(ledger *sandbox.Ledger, end time.Time) {
	var all sync.WaitGroup
	defer all.Wait()
	waiting := make([]chan int, len(l.talks))
	for i, t := range l.talks {
		waiting[i] = make(chan int, mostWaiting)
		defer close(waiting[i])
		to := l.crowd.ingests[i%len(l.crowd.ingests)]
		courier := sandbox.Courier{Sender: sandbox.Sender{Target: to.url(), Key: token, Client: l.crowd.client}, Ledger: ledger}
		all.Go(func() { l.deliver(courier, t, waiting[i]) })
	}
	tick := time.NewTicker(time.Duration(float64(time.Second) / *soakRate))
	defer tick.Stop()
	for now := range tick.C {
		if !now.Before(end) {
			return
		}
		i := l.pick()
		select {
		case waiting[i] <- l.next[i]:
			l.next[i]++
		default:
		}
	}
}

func (l *load) pick() int {
	if l.random.IntN(3) == 0 {
		return l.random.IntN(10)
	}
	return 10 + l.random.IntN(len(l.talks)-10)
}

func (l *load) deliver(courier sandbox.Courier, t talk, messages <-chan int) {
	ctx := l.crowd.r.t.Context()
	for n := range messages {
		if n%40 == 20 {
			_, _ = courier.DeliverForged(ctx, t.webhook(n))
		}
		_, _ = courier.Deliver(ctx, t.webhook(n)) // the ledger has the answer
		l.crowd.answered.Add(1)
	}
}
