//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/validation"
)

// Requests that two programs could take apart in two ways, and several in one go: each is answered by itself,
// the first that is refused ends the connection, and what is not signed is not stored, wherever it hides.
func TestSmuggledRequestsAreNotStored(t *testing.T) {
	good := head("POST "+hook, form, sign(hook, form, []byte(body)))
	forged := head("POST "+hook, form, "Zm9yZ2Vk") + length(len(body)) + body
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	for name, tt := range map[string]struct {
		text     string
		statuses []int
		stored   int
	}{
		"pipelined":                  {good + length(len(body)) + body + forged + good + length(len(body)) + body, []int{200, 403, 0}, 1},
		"behind the end":             {good + length(len(body)) + body + forged, []int{200, 403}, 1},
		"in a refused body":          {head("POST "+hook, form, "Zm9yZ2Vk") + length(len(good+length(len(body))+body)) + good + length(len(body)) + body, []int{403}, 0},
		"two lengths":                {good + "Content-Length: 5\r\n" + length(len(body)) + body, []int{400}, 0},
		"two equal lengths":          {good + fmt.Sprintf("Content-Length: %d\r\n", len(body)) + length(len(body)) + body, []int{200}, 1},
		"list of lengths":            {good + fmt.Sprintf("Content-Length: %d, 5\r\n\r\n", len(body)) + body, []int{400}, 0},
		"length with a sign":         {good + fmt.Sprintf("Content-Length: +%d\r\n\r\n", len(body)) + body, []int{400}, 0},
		"length and chunks":          {good + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, []int{200}, 1},
		"chunks and length, hidden":  {good + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", len(forged)+5) + forged, []int{403}, 0},
		"two transfer encodings":     {good + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunks, []int{501}, 0},
		"encoding in disguise":       {good + "Transfer-Encoding: xchunked\r\n\r\n" + chunks, []int{501}, 0},
		"encoding with a tab":        {good + "Transfer-Encoding:\tchunked\r\n\r\n" + chunks, []int{200}, 1},
		"space before the colon":     {good + "Content-Length : 5\r\n\r\n" + body, []int{400}, 0},
		"folded header":              {good + "X-A: b\r\n Content-Length: 5\r\n" + length(len(body)) + body, []int{200}, 1},
		"bare line feeds in a chunk": {good + "Transfer-Encoding: chunked\r\n\r\n" + strings.ReplaceAll(chunks, "\r\n", "\n"), []int{400}, 0},
		"chunk extension":            {good + "Transfer-Encoding: chunked\r\n\r\n" + strings.Replace(chunks, "\r\n", ";a=b\r\n", 1), []int{200}, 1},
		"NUL in a header":            {good + "X-A: \x00\r\n" + length(len(body)) + body, []int{400}, 0},
		"upgrade":                    {good + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n" + length(len(body)) + body, []int{200}, 1},
		"prior knowledge of HTTP/2":  {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{404}, 0},
		"no host":                    {"POST " + hook + " HTTP/1.1\r\n" + length(0), []int{400}, 0},
		"two hosts":                  {good + "Host: evil.example\r\n" + length(len(body)) + body, []int{400}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := attack(t)
			w := a.wire(t)
			_, _ = io.WriteString(w, tt.text)
			for i, want := range tt.statuses {
				if got := w.status(); got != want {
					t.Errorf("answer %d: got %d, want %d (0 is none)", i, got, want)
				}
			}
			if stored := raw(t, a.url); len(stored) != tt.stored {
				t.Errorf("got %d events in RAW, want %d", len(stored), tt.stored)
			}
		})
	}
}

// Twilio's retry, or somebody who has recorded a webhook: the same bytes twice are one event.
func TestReplayedWebhookIsOneEvent(t *testing.T) {
	a := attack(t)
	a.wantAll(t, attackers, http.StatusOK, func(w *wire) int {
		_, _ = io.WriteString(w, head("POST "+hook, form, sign(hook, form, []byte(body)), "I-Twilio-Idempotency-Token: one")+length(len(body))+body)
		return w.status()
	})
	if stored := raw(t, a.url); len(stored) != 1 {
		t.Errorf("got %d events of one webhook sent %d times, want 1", len(stored), attackers)
	}
}

// Every byte of the signature, the target and the body, changed: none is believed, and nothing of it stored.
func TestTamperedWebhooksAreRefused(t *testing.T) {
	a := attack(t)
	target := hook + "?tenant=one"
	signature := sign(target, form, []byte(body))
	refused := func(what, target, signature, body string) {
		w := a.wire(t)
		defer w.Close()
		_, _ = io.WriteString(w, head("POST "+target, form, signature)+length(len(body))+body)
		if got := w.status(); got != http.StatusForbidden && got != http.StatusNotFound {
			t.Errorf("%s: got %d, want 403, or 404 for another path", what, got)
		}
	}
	changed := func(s string, i int) string {
		b := []byte(s)
		b[i] ^= 1 // "=" and "&" too: of the pairs, not of their spelling
		return string(b)
	}
	for i := range signature {
		refused(fmt.Sprintf("byte %d of the signature", i), target, changed(signature, i), body)
	}
	for i := len(hook); i < len(target); i++ {
		refused(fmt.Sprintf("byte %d of the target", i), changed(target, i), signature, body)
	}
	for i := range body {
		if c := body[i]; c != '&' && c != '=' { // without delimiters in what is signed, see TestOneByteOfAForm
			refused(fmt.Sprintf("byte %d of the body", i), target, signature, changed(body, i))
		}
	}
	for what, s := range map[string]string{
		"in lower case": strings.ToLower(signature), "without padding": strings.TrimRight(signature, "="), "twice": signature + signature,
		"with a space in it": signature[:5] + " " + signature[5:], "of the empty key": validation.Sign(validation.NewSecret(""), http.MethodPost, public+target, form, []byte(body)),
	} {
		refused("the signature "+what, target, s, body)
	}
	a.wantServing(t)
}

// What a proxy or a stranger says about where a request came from and went to makes nothing genuine, nor forged.
func TestSpoofedOriginsChangeNothing(t *testing.T) {
	a := attack(t)
	const evil = "https://evil.example"
	foreign := validation.Sign(validation.NewSecret(token), http.MethodPost, evil+hook, form, []byte(body))
	for _, spoof := range []string{
		"X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "Forwarded: for=1.2.3.4;host=evil.example;proto=https", "X-Original-URL: " + hook,
		"X-Rewrite-URL: /webhooks/flex", "X-Forwarded-Prefix: /", "X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "X-HTTP-Method-Override: GET", "X-Forwarded-Port: 443",
	} {
		for signature, want := range map[string]int{foreign: http.StatusForbidden, sign(hook, form, []byte(body)): http.StatusOK} {
			w := a.wire(t)
			_, _ = io.WriteString(w, head("POST "+hook, form, signature, spoof)+length(len(body))+body)
			if got := w.status(); got != want {
				t.Errorf("%s: got %d, want %d", spoof, got, want)
			}
		}
	}
	w := a.wire(t)
	_, _ = io.WriteString(w, strings.Replace(head("POST "+evil+hook, form, foreign), "hooks.example.com", "evil.example", 1)+length(len(body))+body)
	if got := w.status(); got != http.StatusForbidden {
		t.Errorf("signed for the host that it names: got %d, want 403", got)
	}
	a.wantServing(t)
}

// subject is every subject that ingest may publish on: four tokens from tables, and one of letters and digits.
var subject = regexp.MustCompile(`^rollcall\.(raw|dead)\.(conversations|flex|orchestrator|unknown)\.[a-z_]{1,32}\.[a-z_]{1,32}\.[0-9A-Za-z_-]{1,64}$`)

// Genuine webhooks whose every field that could become a subject says what must not become one.
func TestNoFieldBecomesASubjectUnchecked(t *testing.T) {
	a := attack(t)
	nc, err := nats.Connect(a.url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	heard, err := nc.SubscribeSync("rollcall.>")
	if err != nil {
		t.Fatal(err)
	}
	_ = heard.SetPendingLimits(-1, -1)
	sent := 0
	post := func(path, media, body string) {
		sent++
		target := path
		if media == jsonType {
			target = validation.WithBodyHash(target, []byte(body))
		}
		w := a.wire(t)
		defer w.Close()
		_, _ = io.WriteString(w, head("POST "+target, media, sign(target, media, []byte(body)))+length(len(body))+body)
		if got := w.status(); got != http.StatusOK {
			t.Errorf("%s %q: got %d, want 200", path, body, got)
		}
	}
	for _, token := range []string{
		"*", ">", ".", "..", "a.b", "x.*.>", " ", "a b", "\x00", "a\x00b", "\r\n", "\r\nPUB x 1\r\nx\r\n", "\t", "é", "\u202e", "\u0430", "\ufeff", "\xff", "$JS.API.STREAM.DELETE.ROLLCALL_RAW",
		"_INBOX.x", "rollcall.raw.a.b.c.d", strings.Repeat("x", 5000), chat + ".x", chat + "\n", strings.ToUpper(chat), chat[:33], "ＣＨ" + chat[2:],
	} {
		for _, name := range []string{"EventType", "AccountSid", "ConversationSid", "MessageSid", "ParticipantSid", "UserSid", "ChatServiceSid", "MessagingServiceSid"} {
			fields, _ := url.ParseQuery(body)
			fields.Set(name, token)
			post(hook, form, fields.Encode())
		}
		for _, name := range []string{"EventType", "AccountSid", "InteractionSid", "ChannelSid", "ParticipantSid", "TaskSid"} {
			fields := url.Values{"EventType": {"onChannelAdded"}, "AccountSid": {account}, "ChannelSid": {"UO0123456789abcdef0123456789abcdef"}}
			fields.Set(name, token)
			post("/webhooks/flex", form, fields.Encode())
		}
		quoted := strings.ToValidUTF8(fmt.Sprintf("%+q", token), "")
		quoted = regexp.MustCompile(`\\x([0-9a-f]{2})`).ReplaceAllString(quoted, `\u00$1`)
		for _, field := range []string{"eventType", "accountId"} {
			post("/webhooks/orchestrator", jsonType, fmt.Sprintf(`{"eventType":"CONVERSATION_CREATED","data":{"id":%[2]s,"conversationId":%[2]s,"accountId":%[2]s},%[1]q:%[2]s}`, field+"x", quoted))
			post("/webhooks/orchestrator", jsonType, fmt.Sprintf(`{%q:%s,"data":{"id":"x"}}`, field, quoted))
		}
		for _, name := range []string{"type", "id", "source", "subject"} {
			post("/webhooks/event-streams", jsonType, fmt.Sprintf(`[{"specversion":"1.0",%q:%s,"data":{"AccountSid":%q,"ConversationSid":%[2]s}}]`, name, quoted, account))
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	published := 0
	for n, _, _ := heard.Pending(); n > 0; n, _, _ = heard.Pending() {
		m, err := heard.NextMsgWithContext(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.Header.Get("Nats-TTL") == "probe" || strings.HasPrefix(m.Subject, "rollcall.queue.") {
			continue
		}
		published++
		if !subject.MatchString(m.Subject) {
			t.Errorf("got subject %q", m.Subject)
		}
		if id := m.Header.Get(jetstream.MsgIDHeader); id == "" {
			t.Errorf("got no id on %s", m.Subject)
		}
	}
	if published < sent/2 {
		t.Errorf("got %d messages for %d webhooks: the test did not test anything", published, sent)
	}
	t.Logf("%d webhooks, %d messages", sent, published)
}
