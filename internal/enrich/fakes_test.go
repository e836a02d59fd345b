package enrich

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/goleak"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account = validation.SID("AC00000000000000000000000000000001")
	service = validation.SID("IS00000000000000000000000000000001")
)

// stream is what the tasks of a test share: which sequences of a key are not done yet, and what came out.
type stream struct {
	mu        sync.Mutex
	undone    map[string][]uint64 // per key, ascending
	published []events.Enriched
	letters   []events.DeadLetter
	released  []uint64
	extended  map[uint64]int

	hold     time.Duration // a task is ours for so long
	finished []finished    // published or buried, in this order

	watched map[string]map[*func()]struct{} // per key
	heads   int                             // calls of Head
	sheds   int                             // of Shed

	head        func(seq uint64) error // nil: no error
	publish     func(seq uint64) error
	bury        func(events.DeadLetter) error
	acknowledge func() error // fails after the event is stored
}

// finished is an event that is in ENRICHED or DEAD.
type finished struct {
	key string
	seq uint64
}

func newStream() *stream {
	return &stream{undone: map[string][]uint64{}, extended: map[uint64]int{}, watched: map[string]map[*func()]struct{}{}, hold: 30 * time.Second}
}

// task is a Task over a stream, that keeps the promises of broker.Task.
type task struct {
	*stream
	event events.Event
	seq   uint64
	shed  bool
	until time.Time // when it lapses
}

// add makes a task of the event with the given sequence.
func (s *stream) add(seq uint64, e events.Event) *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.ID = fmt.Sprintf("event-%d", seq)
	e.ReceivedAt = time.Now()
	s.undone[e.Key()] = append(s.undone[e.Key()], seq)
	slices.Sort(s.undone[e.Key()])
	return &task{stream: s, event: e, seq: seq, until: time.Now().Add(s.hold)}
}

type doneError struct{ error }

func (doneError) Done() bool { return true }

type tooLargeError struct{ error }

func (tooLargeError) TooLarge() bool { return true }

func (t *task) Context() context.Context { return context.Background() }
func (t *task) Event() events.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shed {
		return events.Event{}
	}
	return t.event
}

func (t *task) Shed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shed = true
	t.sheds++
}
func (t *task) Sequence() uint64 { return t.seq }

func (t *task) Head(ctx context.Context) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heads++
	if t.head != nil {
		if err := t.head(t.seq); err != nil {
			return false, err
		}
	}
	left := t.undone[t.event.Key()]
	if !slices.Contains(left, t.seq) {
		return false, doneError{fmt.Errorf("sequence %d is done", t.seq)}
	}
	if left[0] == t.seq {
		t.shed = false
	}
	return left[0] == t.seq, ctx.Err()
}

// headsAsked is how often Head was called.
func (s *stream) headsAsked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heads
}

// store notes that the event is in ENRICHED or DEAD, and fails if that is not acknowledged.
func (t *task) store() error {
	t.finished = append(t.finished, finished{t.event.Key(), t.seq})
	t.done()
	if t.acknowledge != nil {
		return t.acknowledge()
	}
	return nil
}

func (t *task) done() {
	key := t.event.Key()
	t.undone[key] = slices.DeleteFunc(t.undone[key], func(seq uint64) bool { return seq == t.seq })
	t.tell(key)
}

// tell calls those who watch the key.
func (s *stream) tell(key string) {
	for moved := range s.watched[key] {
		(*moved)()
	}
}

func (t *task) Watch(moved func()) (stop func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := t.event.Key()
	if t.watched[key] == nil {
		t.watched[key] = map[*func()]struct{}{}
	}
	t.watched[key][&moved] = struct{}{}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.watched[key], &moved)
	}
}

func (t *task) Publish(_ context.Context, e events.Enriched) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.publish != nil {
		if err := t.publish(t.seq); err != nil {
			return err
		}
	}
	t.published = append(t.published, e)
	return t.store()
}

func (t *task) Bury(_ context.Context, d events.DeadLetter) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bury != nil {
		if err := t.bury(d); err != nil {
			return err
		}
	}
	t.letters = append(t.letters, d)
	return t.store()
}

func (t *task) Left() (left, whole time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Until(t.until), t.hold
}

func (t *task) Extend() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().After(t.until) {
		return errors.New("it has lapsed")
	}
	t.extended[t.seq]++
	t.until = time.Now().Add(t.hold)
	return nil
}

func (t *task) Release() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.released = append(t.released, t.seq)
	return nil
}

func (s *stream) publishedIDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, e := range s.published {
		ids = append(ids, strings.TrimPrefix(e.ID, "event-"))
	}
	return ids
}

// fakeAPI answers every lookup through one function, and counts.
type fakeAPI struct {
	mu     sync.Mutex
	calls  []question
	answer func(ctx context.Context, n int, q question) ([]participants.Participant, error) // n counts from 1
}

// question is one call as Twilio sees it.
type question struct {
	lookup     events.Lookup
	username   string
	within, id string
	service    validation.SID
}

func (f *fakeAPI) ask(ctx context.Context, q question) ([]participants.Participant, error) {
	f.mu.Lock()
	f.calls = append(f.calls, q)
	n := len(f.calls)
	f.mu.Unlock()
	if f.answer == nil {
		return []participants.Participant{{ID: "MB" + q.within}}, nil
	}
	return f.answer(ctx, n, q)
}

func (f *fakeAPI) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

func (f *fakeAPI) ListConversation(ctx context.Context, cred participants.Credentials, conversation, service validation.SID) ([]participants.Participant, error) {
	return f.ask(ctx, question{events.LookupConversation, cred.Username, string(conversation), "", service})
}

func (f *fakeAPI) ListChannel(ctx context.Context, cred participants.Credentials, interaction, channel validation.SID) ([]participants.Participant, error) {
	return f.ask(ctx, question{events.LookupChannel, cred.Username, string(interaction), string(channel), ""})
}

func (f *fakeAPI) ListV2(ctx context.Context, cred participants.Credentials, conversation validation.V2ID) ([]participants.Participant, error) {
	return f.ask(ctx, question{events.LookupV2, cred.Username, string(conversation), "", ""})
}

func (f *fakeAPI) FetchV2(ctx context.Context, cred participants.Credentials, conversation, participant validation.V2ID) (participants.Participant, error) {
	ps, err := f.ask(ctx, question{events.LookupParticipants, cred.Username, string(conversation), string(participant), ""})
	if err != nil {
		return participants.Participant{}, err
	}
	return ps[0], nil
}

// ledger is the Accounts of a test.
type ledger struct {
	mu   sync.Mutex
	cred map[validation.SID]participants.Credentials
}

func (l *ledger) API(account validation.SID) (participants.Credentials, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	cred, ok := l.cred[account]
	return cred, ok
}

func (l *ledger) set(account validation.SID, username string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cred[account] = participants.Credentials{Username: username, Password: validation.NewSecret("token")}
}

// bench is a running Pipeline with everything around it.
type bench struct {
	*stream
	*Pipeline
	t        *testing.T
	api      *fakeAPI
	accounts *ledger
	reg      *prometheus.Registry
	logged   *bytes.Buffer
	stop     func() // stops and waits
}

// start runs a Pipeline until the test's end. It must be called in a synctest bubble.
func start(t *testing.T, cfg Config) *bench {
	t.Helper()
	b := &bench{
		stream: newStream(), t: t, api: &fakeAPI{}, reg: prometheus.NewRegistry(), logged: &bytes.Buffer{},
		accounts: &ledger{cred: map[validation.SID]participants.Credentials{}},
	}
	b.accounts.set(account, "first")
	var err error
	b.Pipeline, err = New(cfg, b.api, b.accounts, slog.New(slog.NewTextHandler(b.logged, nil)), b.reg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	begun := b.series()
	t.Cleanup(func() {
		b.stop()
		for s := range b.series() {
			if _, ok := begun[s]; !ok {
				t.Errorf("got a series %s that did not begin at zero", s)
			}
		}
	})
	return b
}

// bubble runs test in a bubble of fake time, with a running Pipeline.
func bubble(t *testing.T, cfg Config, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, cfg)
		test(b)
		b.stop()
	})
}

// handle adds the events to the stream, with sequences from first, and hands them over in this order.
func (b *bench) handle(first uint64, es ...events.Event) {
	for i, e := range es {
		b.Handle(b.add(first+uint64(i), e))
	}
}

// after lets d pass, and everything happen that can.
func after(d time.Duration) {
	<-time.After(d) // of the bubble's clock
	synctest.Wait()
}

func (b *bench) wantPublished(ids ...string) {
	b.t.Helper()
	if got := b.publishedIDs(); !slices.Equal(got, ids) {
		b.t.Errorf("got %v published, want %v", got, ids)
	}
}

func (b *bench) wantCalls(n int) {
	b.t.Helper()
	if got := b.api.count(); got != n {
		b.t.Errorf("got %d calls, want %d: %v", got, n, b.api.calls)
	}
}

// wantLetter checks the only dead letter.
func (b *bench) wantLetter(reason events.Reason, attempts int) events.DeadLetter {
	b.t.Helper()
	b.mu().Lock()
	defer b.mu().Unlock()
	if len(b.letters) != 1 {
		b.t.Fatalf("got %d letters, want 1: %+v", len(b.letters), b.letters)
	}
	d := b.letters[0]
	if d.Reason != reason || d.Attempts != attempts {
		b.t.Errorf("got %s after %d attempts, want %s after %d", d.Reason, d.Attempts, reason, attempts)
	}
	if d.ID != d.Event.ID || d.Detail == "" || d.FailedAt.IsZero() || d.Account != d.Event.Account || d.Feed != d.Event.Feed {
		b.t.Errorf("got a letter with something missing: %+v", d)
	}
	return d
}

func (b *bench) mu() *sync.Mutex { return &b.stream.mu }

func (b *bench) wantMetric(text string) {
	b.t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(b.reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	got := w.Body.String()
	if !strings.Contains(got, text+"\n") {
		b.t.Errorf("got metrics\n%swant %s", got, text)
	}
}

// series returns the value of every counter, and how often each histogram has observed.
func (b *bench) series() map[string]float64 {
	b.t.Helper()
	families, err := b.reg.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			value := m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			if m.GetGauge() == nil {
				all[fmt.Sprint(f.GetName(), m.GetLabel())] = value
			}
		}
	}
	return all
}

func sid(prefix string, n int) validation.SID {
	return validation.SID(fmt.Sprintf("%s%032x", prefix, n))
}

// message is an event that needs the list of conversation n.
func message(n int) events.Event {
	return events.Event{
		API: participants.Conversations, Resource: "message", Action: "added", Name: "onMessageAdded", Feed: events.FeedConversations,
		Account: account, Refs: events.Refs{ConversationSID: sid("CH", n), MessageSID: sid("IM", n)}, Payload: []byte(`{"Body":"secret words"}`),
	}
}

func as(e events.Event, resource, action string) events.Event {
	e.Resource, e.Action = resource, action
	return e
}

// communication is a v2 event that names participants of one conversation.
func communication(ids ...validation.V2ID) events.Event {
	return events.Event{
		API: participants.Orchestrator, Resource: "communication", Action: "created", Feed: events.FeedOrchestrator, Account: account,
		Refs: events.Refs{ConversationID: "conv_1", CommunicationID: "comm_1", ParticipantIDs: ids},
	}
}

func status(code int) error {
	return &participants.Error{Failure: participants.FailureStatus, Operation: "list", Status: code, Code: code * 100, RequestID: "RQ1", Message: "words from outside"}
}

// failing answers the first n calls with err.
func failing(n int, err error) func(context.Context, int, question) ([]participants.Participant, error) {
	return func(_ context.Context, i int, q question) ([]participants.Participant, error) {
		if i <= n {
			return nil, err
		}
		return []participants.Participant{{ID: "MB" + q.within}}, nil
	}
}
