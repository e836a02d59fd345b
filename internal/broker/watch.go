package broker

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// Watch calls moved whenever an outcome is published on the task's key, by whichever process, until stop is called: then Head may say
// something else. It may be called too early, since the message comes here before it is stored, and for
// nothing, when it is refused; and not at all, while the connection is away. So Head must be asked again without it, too.
// moved must not block. A call that is under way when stop is called may still end after it.
func (t *Task) Watch(moved func()) (stop func()) {
	var subs []*nats.Subscription
	for _, subject := range outcomeSubjects(t.key()) {
		sub, err := t.conn.nc.Subscribe(subject, func(*nats.Msg) { moved() })
		if err == nil {
			subs = append(subs, sub)
		}
	}
	return func() {
		for _, sub := range subs {
			_ = sub.Unsubscribe()
		}
	}
}

// outcomeSubjects is where what became of a key's events is published.
func outcomeSubjects(key string) []string {
	return []string{
		fmt.Sprintf("rollcall.enriched.*.*.*.%s", key),
		fmt.Sprintf("rollcall.buried.*.*.*.%s", key),
	}
}
