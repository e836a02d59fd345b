package participants

import (
	"context"
	"errors"
	"net/url"
)

const (
	maxConversationPages = 10 // of 100: a v1 conversation has at most 1,000 participants
	maxPages             = 20 // of 1,000; enough for 1,000 participants at the default of 50 a page
)

// listing is how a list is read, page by page.
type listing struct {
	operation string
	cred      Credentials
	query     url.Values // of the first page
	maxPages  int
	decode    func(body []byte, r *report) page
	follow    func(list *url.URL, first url.Values, next string) (url.Values, error)
}

// page is one page of a list. next is the link or token to the one after it; "" for the last.
type page struct {
	participants []Participant
	next         string
	from         answer // without its body
}

// list reads every page of l at target, in order. It drops participants that an earlier page held, as happens when the
// list changes in between; within a page it drops none. After l.maxPages pages it reads one more, if there is a link
// to it, to see that it is empty and the last.
func (c *Client) list(ctx context.Context, l listing, target *url.URL) ([]Participant, error) {
	var all []Participant
	var held, asked map[string]struct{}
	query, last := l.query, answer{}
	for number := 1; ; number++ {
		encoded := query.Encode()
		if _, again := asked[encoded]; again {
			return nil, l.refuse(last, "it was read already")
		}
		p, err := c.readPage(ctx, l, withQuery(target, encoded))
		if err != nil {
			return nil, err
		}
		if number > l.maxPages && (len(p.participants) > 0 || p.next != "") {
			return nil, l.refuse(p.from, "the list has more pages than it may")
		}
		if number == 1 && p.next == "" { // the usual case
			return p.participants, nil
		}
		if number == 1 {
			held, asked = make(map[string]struct{}), make(map[string]struct{})
		}
		asked[encoded] = struct{}{}
		all = appendNew(all, p.participants, held)
		if p.next == "" {
			return all, nil
		}
		if query, err = l.follow(target, l.query, p.next); err != nil {
			return nil, l.refuse(p.from, err.Error())
		}
		last = p.from
	}
}

// readPage makes the call for one page and checks what it holds.
func (c *Client) readPage(ctx context.Context, l listing, target *url.URL) (page, error) {
	a, err := c.get(ctx, l.operation, l.cred, target)
	if err != nil {
		return page{}, err
	}
	defer a.release()
	r := report{unexpected: c.onUnexpected}
	p := l.decode(a.body, &r)
	if len(r.problems) > 0 {
		return page{}, a.broken(l.operation, r.problems)
	}
	p.from = answer{status: a.status, requestID: a.requestID}
	return p, nil
}

// refuse returns the *Error for what a, the last page's answer, links to.
func (l listing) refuse(a answer, why string) error {
	return &Error{Failure: FailurePaging, Operation: l.operation, Status: a.status, RequestID: a.requestID, Err: errors.New(why)}
}

func withQuery(target *url.URL, encoded string) *url.URL {
	u := *target
	u.RawQuery = encoded
	return &u
}

// appendNew appends to all those of next whose IDs are not in held, and then adds the IDs of next to held.
func appendNew(all, next []Participant, held map[string]struct{}) []Participant {
	for _, p := range next {
		if _, ok := held[p.ID]; !ok {
			all = append(all, p)
		}
	}
	for _, p := range next {
		held[p.ID] = struct{}{}
	}
	return all
}
