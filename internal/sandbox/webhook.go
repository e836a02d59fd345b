package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

// Media types of webhooks.
const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// Webhook is a request that Twilio would send, without its target, and so without the signature, which
// covers the target.
type Webhook struct {
	Feed        events.Feed
	Name        string   // Twilio's name for its event; of a batch all names, joined by ", "
	Method      string   // "GET" carries the fields in Query
	ContentType string   // "" for GET
	Query       string   // encoded
	Body        []byte   // nil for GET
	Token       string   // I-Twilio-Idempotency-Token; "" sends none
	IDs         []string // the IDs of its events, in order

	MayBeDead []events.Reason // the reasons for which its events may become dead letters; without any they must be enriched
}

// AsGet returns w, a form, as Twilio sends it when the webhook's method is configured as GET.
func (w Webhook) AsGet() Webhook {
	w.Method, w.Query, w.Body, w.ContentType = http.MethodGet, string(w.Body), nil, ""
	return w
}

// Request returns w as a request to the ingest at target, a base URL, signed with key for
// public, the base URL that the ingest is configured with.
func (w Webhook) Request(ctx context.Context, target, public string, key validation.Secret) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, w.Method, w.url(target), bytes.NewReader(w.Body))
	if err != nil {
		return nil, fmt.Errorf("build webhook request: %w", err)
	}
	for _, h := range w.headers(public, key) {
		r.Header.Set(h[0], h[1])
	}
	return r, nil
}

// url returns the webhook's URL for a base URL. JSON has its hash in the query, which is what is signed.
func (w Webhook) url(base string) string {
	u := strings.TrimSuffix(base, "/") + "/webhooks/" + string(w.Feed)
	if w.Query != "" {
		u += "?" + w.Query
	}
	if w.ContentType == jsonType {
		u = validation.WithBodyHash(u, w.Body)
	}
	return u
}

func (w Webhook) headers(public string, key validation.Secret) [][2]string {
	headers := [][2]string{
		{"X-Twilio-Signature", validation.Sign(key, w.Method, w.url(public), w.ContentType, w.Body)},
		{"User-Agent", "TwilioProxy/1.1"},
	}
	if w.ContentType != "" {
		headers = append(headers, [2]string{"Content-Type", w.ContentType})
	}
	if w.Token != "" {
		headers = append(headers, [2]string{"I-Twilio-Idempotency-Token", w.Token})
	}
	return headers
}

// Sender sends webhooks to one ingest.
type Sender struct {
	Target string            // base URL of the ingest
	Public string            // base URL that signatures are for; default Target
	Key    validation.Secret // what they are signed with
	Client *http.Client      // default: one with a timeout of 10 s
}

// Answer is the ingest's answer to a webhook.
type Answer struct {
	Status int
	Took   time.Duration
}

// Send sends w and returns the answer, whatever its status. An error means that there was none.
func (s Sender) Send(ctx context.Context, w Webhook) (Answer, error) {
	return s.send(ctx, w, s.Key)
}

// SendForged sends w signed with a random key.
func (s Sender) SendForged(ctx context.Context, w Webhook) (Answer, error) {
	return s.send(ctx, w, validation.NewSecret(rand.Text()))
}

// Curl returns a shell command that sends w, signed.
func (s Sender) Curl(w Webhook) string { return curl(w, s.Target, s.public(), s.Key) }

func (s Sender) send(ctx context.Context, w Webhook, key validation.Secret) (Answer, error) {
	r, err := w.Request(ctx, s.Target, s.public(), key)
	if err != nil {
		return Answer{}, err
	}
	began := time.Now()
	resp, err := s.client().Do(r)
	if err != nil {
		return Answer{}, fmt.Errorf("send webhook: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return Answer{}, fmt.Errorf("read answer to webhook: %w", err)
	}
	return Answer{Status: resp.StatusCode, Took: time.Since(began)}, nil
}

func (s Sender) public() string {
	if s.Public == "" {
		return s.Target
	}
	return s.Public
}

func (s Sender) client() *http.Client {
	if s.Client == nil {
		return &http.Client{Timeout: 10 * time.Second}
	}
	return s.Client
}
