//go:build linux

package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/validation"
)

// Requests that two programs could take apart in two ways, and several in one go: each is answered by itself,
// the first that is refused ends the connection, and what is not signed is not stored, wherever it hides.
func TestSmuggledRequestsAreNotStored(t *testing.T) {
	good, again := head("POST "+hook, form, sign(hook, form, []byte(body)), idToken("good")), head("POST "+hook, form, sign(hook, form, []byte(body)), idToken("again"))
	forged := head("POST "+hook, form, "Zm9yZ2Vk", idToken("forged")) + length(len(body)) + body
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	for name, tt := range map[string]struct {
		text     string
		statuses []int
	}{
		"pipelined":                  {good + length(len(body)) + body + forged + again + length(len(body)) + body, []int{200, 403, 0}},
		"both good":                  {good + length(len(body)) + body + again + length(len(body)) + body, []int{200, 200}},
		"behind the end":             {good + length(len(body)) + body + forged, []int{200, 403}},
		"in a refused body":          {head("POST "+hook, form, "Zm9yZ2Vk", idToken("outer")) + length(len(good+length(len(body))+body)) + good + length(len(body)) + body, []int{403}},
		"two lengths":                {good + "Content-Length: 5\r\n" + length(len(body)) + body, []int{400}},
		"two equal lengths":          {good + fmt.Sprintf("Content-Length: %d\r\n", len(body)) + length(len(body)) + body, []int{200}},
		"list of lengths":            {good + fmt.Sprintf("Content-Length: %d, 5\r\n\r\n", len(body)) + body, []int{400}},
		"length with a sign":         {good + fmt.Sprintf("Content-Length: +%d\r\n\r\n", len(body)) + body, []int{400}},
		"length and chunks":          {good + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, []int{200}},
		"chunks and length, hidden":  {good + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", len(forged)+5) + forged, []int{403}},
		"two transfer encodings":     {good + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunks, []int{501}},
		"encoding in disguise":       {good + "Transfer-Encoding: xchunked\r\n\r\n" + chunks, []int{501}},
		"encoding with a tab":        {good + "Transfer-Encoding:\tchunked\r\n\r\n" + chunks, []int{200}},
		"space before the colon":     {good + "Content-Length : 5\r\n\r\n" + body, []int{400}},
		"folded header":              {good + "X-A: b\r\n Content-Length: 5\r\n" + length(len(body)) + body, []int{200}},
		"bare line feeds in a chunk": {good + "Transfer-Encoding: chunked\r\n\r\n" + strings.ReplaceAll(chunks, "\r\n", "\n"), []int{400}},
		"chunk extension":            {good + "Transfer-Encoding: chunked\r\n\r\n" + strings.Replace(chunks, "\r\n", ";a=b\r\n", 1), []int{200}},
		"NUL in a header":            {good + "X-A: \x00\r\n" + length(len(body)) + body, []int{400}},
		"upgrade":                    {good + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n" + length(len(body)) + body, []int{200}},
		"prior knowledge of HTTP/2":  {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{404}},
		"no host":                    {"POST " + hook + " HTTP/1.1\r\n" + length(0), []int{400}},
		"two hosts":                  {good + "Host: evil.example\r\n" + length(len(body)) + body, []int{400}},
	} {
		t.Run(name, func(t *testing.T) {
			a := attack(t)
			w := a.wire(t)
			answered := a.sendingAll(tt.text, len(tt.statuses))
			_, _ = io.WriteString(w, tt.text)
			stored := 0
			for i, want := range tt.statuses {
				got := w.status()
				answered[i](got)
				if got != want {
					t.Errorf("answer %d: got %d, want %d (0 is none)", i, got, want)
				}
				if want == http.StatusOK {
					stored++
				}
			}
			if v := a.wantClean(t); v.Raw != stored { // also of what had no answer
				t.Errorf("got %d events in RAW, want %d", v.Raw, stored)
			}
		})
	}
}

var tokenOf = regexp.MustCompile(idToken("([a-z]+)"))

// sendingAll tells the ledger that text is sent, which is to have n answers: one for each webhook in it, the last for all that are hidden
// behind that one.
func (a *attacked) sendingAll(text string, n int) (answered []func(int)) {
	var ids []string
	for _, found := range tokenOf.FindAllStringSubmatch(text, -1) {
		ids = append(ids, found[1])
	}
	for ; n > 1; n-- {
		answered, ids = append(answered, a.ledger.Sending(named(ids[0]))), ids[1:]
	}
	return append(answered, a.ledger.Sending(named(ids...)))
}

// Twilio's retry, or somebody who has recorded a webhook: the same bytes twice are one event.
func TestReplayedWebhookIsOneEvent(t *testing.T) {
	a := attack(t)
	a.wantAll(t, attackers, named("one"), func(w *wire) int {
		_, _ = io.WriteString(w, head("POST "+hook, form, sign(hook, form, []byte(body)), idToken("one"))+length(len(body))+body)
		return w.status()
	}, http.StatusOK)
	if v := a.wantClean(t); v.Raw != 1 {
		t.Errorf("got %d events of one webhook sent %d times, want 1", v.Raw, attackers)
	}
}

// send sends w as text, over a connection of its own, and returns the answer's status.
func (a *attacked) send(t *testing.T, w sandbox.Webhook, text string) int {
	t.Helper()
	conn := a.wire(t)
	defer conn.Close()
	answered := a.ledger.Sending(w)
	_, _ = io.WriteString(conn, text)
	status := conn.status()
	answered(status)
	return status
}

// Every byte of the signature, the target and the body, changed: none is believed, and nothing of it stored.
func TestTamperedWebhooksAreRefused(t *testing.T) {
	a := attack(t)
	target := hook + "?tenant=one"
	signature := sign(target, form, []byte(body))
	refused := func(what, target, signature, body string) {
		if got := a.send(t, named("tampered"), head("POST "+target, form, signature, idToken("tampered"))+length(len(body))+body); got != http.StatusForbidden && got != http.StatusNotFound {
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
			id := strings.ToLower(rand.Text())
			if got := a.send(t, named(id), head("POST "+hook, form, signature, spoof, idToken(id))+length(len(body))+body); got != want {
				t.Errorf("%s: got %d, want %d", spoof, got, want)
			}
		}
	}
	text := strings.Replace(head("POST "+evil+hook, form, foreign, idToken("evil")), "hooks.example.com", "evil.example", 1)
	if got := a.send(t, named("evil"), text+length(len(body))+body); got != http.StatusForbidden {
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
		target, id := path, strings.ToLower(rand.Text())
		if media == jsonType {
			target = validation.WithBodyHash(target, []byte(body))
		}
		text := head("POST "+target, media, sign(target, media, []byte(body)), idToken(id)) + length(len(body)) + body
		if got := a.send(t, genuine(target, media, body, id), text); got != http.StatusOK {
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
	a.wantClean(t)
}
