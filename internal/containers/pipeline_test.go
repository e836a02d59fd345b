package containers

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// One signed webhook after the other through the real processes: each of the five feeds and
// each of the lookups, to the enriched event with the right people in it.
func TestEveryFeedComesOutEnriched(t *testing.T) {
	s := startStack(t)
	observer := observe(t, s.nats.MustConnectionString(t.Context()))
	steps, err := sandbox.Scenario(s.cast, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	world := sandbox.NewWorld(s.cast.State(s.sender.Key))
	feeds := map[string]bool{}
	for _, step := range steps {
		if step.Change != nil {
			world.Change(step.Change)
			if err := s.twilio.put(t.Context(), world.State()); err != nil {
				t.Fatal(err)
			}
		}
		s.send(t, step)
		for _, wrong := range observer.await(t.Context(), step.Wants...) {
			t.Errorf("%s: %s", step.Title, wrong)
		}
		for _, want := range step.Wants {
			if got := observer.outcomes[want.ID].enriched; got != nil {
				feeds[feedOf(*got)] = true
			}
		}
	}
	for _, feed := range []string{"conversations", "conversations, pre-action", "flex", "orchestrator", "event-streams"} {
		if !feeds[feed] {
			t.Errorf("nothing of the feed %q came out enriched", feed)
		}
	}
	if len(observer.twice) > 0 {
		t.Errorf("came out twice: %v", observer.twice)
	}
}

func feedOf(e events.Enriched) string {
	if e.PreAction {
		return string(e.Feed) + ", pre-action"
	}
	return string(e.Feed)
}

// send sends a step's webhook and checks the answer.
func (s *stack) send(t *testing.T, step sandbox.Step) {
	t.Helper()
	send := s.sender.Send
	if step.Forged {
		send = s.sender.SendForged
	}
	answer, err := send(t.Context(), step.Webhook)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != step.Status {
		t.Errorf("%s: answered %d, want %d", step.Title, answer.Status, step.Status)
	}
}

func TestAWrongSignatureIsRefusedAndNothingOfItIsStored(t *testing.T) {
	s := startStack(t)
	provisioner := connect(t, s.nats.MustConnectionString(t.Context()), "provisioner")
	for _, feed := range []events.Feed{events.FeedConversations, events.FeedFlex, events.FeedOrchestrator, events.FeedEventStreams} {
		answer, err := s.sender.SendForged(t.Context(), s.sample(t, feed))
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status != http.StatusForbidden {
			t.Errorf("%s: answered %d, want 403", feed, answer.Status)
		}
	}
	// What is stored after them shows that the ingest is done with them.
	good := s.sample(t, events.FeedConversations)
	if answer, err := s.sender.Send(t.Context(), good); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("the genuine webhook: answered %d (%v), want 200", answer.Status, err)
	}
	if got := stored(t, provisioner, "ROLLCALL_RAW"); got != 1 {
		t.Errorf("messages in ROLLCALL_RAW: got %d, want 1, the genuine one", got)
	}
	if got := stored(t, provisioner, "ROLLCALL_DEAD"); got != 0 {
		t.Errorf("messages in ROLLCALL_DEAD: got %d, want 0", got)
	}
}

// sample is a webhook of some kind as feed carries it.
func (s *stack) sample(t *testing.T, feed events.Feed) sandbox.Webhook {
	t.Helper()
	for _, kind := range events.Kinds() {
		if !slices.Contains(sandbox.Feeds(kind), feed) || kind.Lookup == events.LookupNone {
			continue
		}
		webhook, err := sandbox.Sample(s.cast, kind, feed, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return webhook
	}
	t.Fatalf("there is no kind of event on %s", feed)
	return sandbox.Webhook{}
}

// An enricher that is stopped and started again, webhooks coming in all the while, loses
// nothing, does nothing twice, and keeps the conversation in order.
func TestEnricherStoppedAndStartedLosesNothing(t *testing.T) {
	const burst = 40
	s := startStack(t)
	observer := observe(t, s.nats.MustConnectionString(t.Context()))
	var ids []string
	sendBurst := func() {
		for range burst {
			ids = append(ids, s.sendMessage(t, len(ids)))
		}
	}

	sendBurst()
	grace := 30 * time.Second
	if err := s.enrichers[0].Stop(t.Context(), &grace); err != nil {
		t.Fatalf("stop the enricher: %v", err)
	}
	if state, err := s.enrichers[0].State(t.Context()); err != nil || state.ExitCode != 0 {
		t.Errorf("the enricher's exit code: got %d (%v), want 0", state.ExitCode, err)
	}
	sendBurst()
	if err := s.enrichers[0].Start(t.Context()); err != nil {
		t.Fatalf("start the enricher again: %v", err)
	}
	sendBurst()

	for i, id := range ids {
		if _, err := observer.find(t.Context(), id); err != nil {
			t.Fatalf("message %d of %d: %v", i+1, len(ids), err)
		}
	}
	if !slices.Equal(observer.order, ids) {
		t.Errorf("enriched: got %d events, in order %v, want %d in the order they were sent", len(observer.order),
			slices.IsSortedFunc(observer.order, func(a, b string) int { return slices.Index(ids, a) - slices.Index(ids, b) }), len(ids))
	}
}

// sendMessage sends message number n of the conversation, and returns its event's id.
func (s *stack) sendMessage(t *testing.T, n int) string {
	t.Helper()
	values := s.cast.Values(time.Now())
	values["Body"], values["Index"] = fmt.Sprintf("message %d", n), fmt.Sprint(n)
	webhook := sandbox.ConversationsWebhook("onMessageAdded", values)
	s.send(t, sandbox.Step{Title: values["Body"], Webhook: webhook, Status: http.StatusOK})
	return webhook.IDs[0]
}
