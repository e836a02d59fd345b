//go:build linux

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/load"
	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/validation"
)

const (
	hook     = "/webhooks/conversations"
	jsonType = "application/json"
	mib      = 1 << 20

	attackers = 32
	huge      = 200 * mib // of each attacker: all of them in memory would be 6.25 GiB
	flat      = 256       // MiB that an attack may add to resident memory
	parsing   = 512       // the same where it is signed, and so parsed; without a bound on that it was 833
)

// attacked is an ingest as a process, the NATS that it stores in, and the ledger of what was sent there.
type attacked struct {
	*child
	url    string
	stored *load.Stored
	ledger *sandbox.Ledger
}

func attack(t *testing.T, settings ...string) *attacked {
	t.Helper()
	embedded := server(t, "127.0.0.1:0", t.TempDir())
	env := environment(append(settings, "NATS_URL", embedded.ClientURL())...)
	a := &attacked{child: launched(t, env), url: embedded.ClientURL(), ledger: sandbox.NewLedger()}
	wait(t, "readiness", func() bool { status, _ := a.ready(t); return status == http.StatusOK })
	nc, err := nats.Connect(a.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if a.stored, err = load.Mark(t.Context(), js); err != nil {
		t.Fatal(err)
	}
	return a
}

// wantServing checks that a genuine webhook is answered 200, and all that was sent, and stored of it, by the ledger.
func (a *attacked) wantServing(t *testing.T) {
	t.Helper()
	courier := sandbox.Courier{Sender: sandbox.Sender{Target: "http://" + a.hooks, Public: public, Key: validation.NewSecret(token)}, Ledger: a.ledger}
	genuine := sandbox.Talk{Account: account, SID: chat}.Message(1, time.Now())
	if answer, err := courier.Deliver(t.Context(), genuine); err != nil || answer.Status != http.StatusOK {
		t.Errorf("got %d and %v for a genuine webhook, want 200", answer.Status, err)
	}
	a.wantClean(t)
}

// wantClean holds the ledger against RAW and DEAD: what was answered 200 is there once, and nothing else is. It is for the end of a test.
func (a *attacked) wantClean(t *testing.T) sandbox.Verdict {
	t.Helper()
	if err := a.stored.Record(t.Context(), a.ledger); err != nil {
		t.Fatal(err)
	}
	v := a.ledger.JudgeIngest()
	t.Logf("%s: %d webhooks, answers %v; %d events answered with 2xx, %d in RAW, %d in DEAD, %d lost, %d twice, %d out of order, %d refused but stored, %d strange",
		t.Name(), v.Sent, v.Answers, v.Owed, v.Raw, v.Dead, v.Lost, v.Twice, v.OutOfOrder, v.Refused, v.Strange)
	if err := v.Err(); err != nil {
		t.Error(err)
	}
	return v
}

// named is a webhook for the ledger whose token says the ID of its event, should it be believed. Were something stored of it under another
// ID, as of a body that is no event, the ledger finds it strange.
func named(ids ...string) sandbox.Webhook { return sandbox.Webhook{IDs: ids} }

// nameless is what is no webhook, or none that could be read: the ledger counts it with its answer, and there is no event to look for. It
// finds strange whatever is stored of it.
func nameless() sandbox.Webhook { return sandbox.Webhook{} }

// genuine is a signed webhook for the ledger: its events and dead letters are those that are read from it.
func genuine(target, media, body, id string) sandbox.Webhook {
	feed := events.Feed(strings.TrimPrefix(strings.Split(target, "?")[0], "/webhooks/"))
	accepted, rejected := events.Parse(events.Delivery{
		Feed: feed, Method: http.MethodPost, ContentType: media, Body: []byte(body), IdempotencyToken: id, Signer: []validation.SID{""}, ReceivedAt: time.Now(),
	})
	var w sandbox.Webhook
	for _, e := range accepted {
		w.IDs = append(w.IDs, e.ID)
	}
	for _, letter := range rejected {
		w.IDs = append(w.IDs, letter.Identified().ID)
		w.MayBeDead = append(w.MayBeDead, letter.Reason)
	}
	return w
}

// idToken is the header that gives an event its ID.
func idToken(id string) string { return "I-Twilio-Idempotency-Token: " + id }

// wire is a connection whose answers are read while requests are still being written.
type wire struct {
	net.Conn
	statuses chan int // of each answer, closed at the end of the connection
	leak     atomic.Pointer[string]
}

func (c *child) wire(t *testing.T) *wire {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", c.hooks)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(60 * time.Second))
	w := &wire{Conn: conn, statuses: make(chan int, 100)}
	read := make(chan struct{})
	go func() { defer close(read); w.read() }()
	t.Cleanup(func() {
		conn.Close()
		<-read
		if leak := w.leak.Load(); leak != nil {
			t.Errorf("got %s in an answer", *leak)
		}
	})
	return w
}

// told is every header that an answer may have: nothing of them says what is inside.
var told = map[string]bool{"Date": true, "Content-Length": true, "Content-Type": true, "Connection": true, "Allow": true}

func (w *wire) read() {
	defer close(w.statuses)
	answers := bufio.NewReader(w)
	for {
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			return
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		for name := range resp.Header {
			if !told[name] {
				w.leak.Store(new(name))
			}
		}
		// Of what is no HTTP request net/http itself says so, in words of its own.
		own := fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
		if said := string(text); said != "" && !strings.HasPrefix(said, own) && said != "Unsupported transfer encoding" {
			w.leak.Store(&said)
		}
		w.statuses <- resp.StatusCode
	}
}

// status returns the next answer's status, 0 when the connection ends without one.
func (w *wire) status() int { return <-w.statuses }

// head is the head of a webhook, all but its framing. An empty signature is none.
func head(line, media, signature string, more ...string) string {
	lines := append([]string{line + " HTTP/1.1", "Host: hooks.example.com", "Content-Type: " + media}, more...)
	if signature != "" {
		lines = append(lines, "X-Twilio-Signature: "+signature)
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}

func length(n int) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n", n) }

func sign(target, media string, body []byte) string {
	return validation.Sign(validation.NewSecret(token), http.MethodPost, public+target, media, body)
}

// wantAll has n attackers send w at once, each by f on a connection of its own, and checks that the answers are among those wanted.
func (a *attacked) wantAll(t *testing.T, n int, w sandbox.Webhook, f func(*wire) int, want ...int) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for range n {
		conn := a.wire(t)
		wg.Go(func() {
			defer conn.Close()
			answered := a.ledger.Sending(w)
			answer := f(conn)
			answered(answer)
			mu.Lock()
			defer mu.Unlock()
			got[answer]++
		})
	}
	wg.Wait()
	for answer, times := range got {
		if !slices.Contains(want, answer) {
			t.Errorf("got %d answers %d, want %v", times, answer, want)
		}
	}
}

func TestHugeBodiesLeaveMemoryFlat(t *testing.T) {
	chunk := []byte("10000\r\n" + strings.Repeat("x", 1<<16) + "\r\n")
	plain := bytes.Repeat([]byte("x"), 1<<16)
	for name, tt := range map[string]struct {
		framing string
		piece   []byte
		status  int
	}{
		"with a length":     {length(huge), plain, 413},
		"chunked":           {"Transfer-Encoding: chunked\r\n\r\n", chunk, 413},
		"absurd length":     {"Content-Length: 9223372036854775807\r\n\r\n", plain, 413},
		"impossible length": {"Content-Length: 99999999999999999999999\r\n\r\n", plain, 400},
		"negative length":   {"Content-Length: -1\r\n\r\n", plain, 400},
	} {
		t.Run(name, func(t *testing.T) {
			a := attack(t)
			var sent atomic.Int64
			a.wantFlat(t, flat, func() {
				a.wantAll(t, attackers, named("huge"), func(w *wire) int {
					_, _ = io.WriteString(w, head("POST "+hook, form, "Zm9yZ2Vk", idToken("huge"))+tt.framing)
					for n := 0; n < huge; n += len(plain) {
						if _, err := w.Write(tt.piece); err != nil {
							break // it was refused, and need not be sent
						}
						sent.Add(int64(len(plain)))
					}
					return w.status()
				}, tt.status)
			})
			t.Logf("%d attackers could send %d MiB of %d MiB", attackers, sent.Load()/mib, attackers*huge/mib)
			a.wantServing(t)
		})
	}
}

func TestSlowSendersLeaveMemoryFlat(t *testing.T) {
	const slow = 1000
	slowly, unsigned := head("POST "+hook, form, "c2xvdw==", idToken("slow")), head("POST "+hook, form, "", idToken("slow"))
	for name, tt := range map[string]struct {
		begin, each string
		webhook     sandbox.Webhook
		status      int
	}{
		"headers":        {"POST " + hook + " HTTP/1.1\r\nHost: x\r\n", "X-More: x\r\n", nameless(), 0},
		"body":           {slowly + length(1000), "x", named("slow"), 408},
		"chunked body":   {slowly + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", named("slow"), 408},
		"unread body":    {unsigned + length(1000), "x", named("slow"), 403},
		"nothing at all": {"", "", nameless(), 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := attack(t)
			a.wantFlat(t, flat, func() {
				a.wantAll(t, slow, tt.webhook, func(w *wire) int {
					_, _ = io.WriteString(w, tt.begin)
					tick := time.NewTicker(500 * time.Millisecond)
					defer tick.Stop()
					for {
						select {
						case got := <-w.statuses:
							return got
						case <-tick.C:
							_, _ = io.WriteString(w, tt.each)
						}
					}
				}, tt.status)
			})
			a.wantServing(t)
		})
	}
}

// A slow sender takes a connection and nothing else: others are answered meanwhile.
func TestSlowSendersDelayNobody(t *testing.T) {
	a := attack(t, "ROLLCALL_BODY_TIMEOUT", "4800ms", "ROLLCALL_STORE_TIMEOUT", "4900ms")
	var last *wire
	for range 500 {
		last = a.wire(t)
		a.ledger.Sending(named("slow")) // its answer comes when all is judged
		_, _ = io.WriteString(last, head("POST "+hook, form, "c2xvdw==", idToken("slow"))+length(1000)+"x")
	}
	a.wantServing(t)
	if len(last.statuses) > 0 {
		t.Error("got the answer after the last slow sender had its 408, want it while that one is still sending")
	}
}

func TestHeaderFloodsLeaveMemoryFlat(t *testing.T) {
	post, long := head("POST "+hook, form, "eA==", idToken("flood")), strings.Repeat("x", 12*mib)
	// Whole before there is a connection, which waits 5 s for them.
	for name, request := range map[string]string{
		"many":         post + strings.Repeat("A: b\r\n", 2*mib) + length(0),
		"one, long":    post + "X-Long: " + long + "\r\n" + length(0),
		"never ending": post + "X-Long: " + long,
		"request line": head("GET "+hook+"?"+long, form, "eA==", idToken("flood")) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			a := attack(t)
			a.wantFlat(t, flat, func() {
				a.wantAll(t, attackers, named("flood"), func(w *wire) int {
					_, _ = io.WriteString(w, request)
					return w.status()
				}, http.StatusRequestHeaderFieldsTooLarge)
			})
			a.wantServing(t)
		})
	}
}

// Headers take some twenty times their size in memory, so that what is taken of them must be bounded well below
// what is taken of a body. All are held at once here, by bodies that do not come.
func TestManySmallHeadersLeaveMemoryFlat(t *testing.T) {
	const many, most = 128, 128 // connections, and MiB: with 1 MiB for each, DefaultMaxConnections are 1 GiB
	for name, tt := range map[string]struct {
		size   int
		status []int
	}{
		"as many as are taken": {31 << 10, []int{http.StatusRequestTimeout}},
		// Or the 5 s are over that there are for headers: net/http hangs up, or calls what it has a bad request.
		"more": {107 << 10, []int{http.StatusRequestHeaderFieldsTooLarge, http.StatusBadRequest, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			flood := manyHeaders(tt.size)
			a := attack(t)
			a.wantFlat(t, most, func() {
				a.wantAll(t, many, named("flood"), func(w *wire) int {
					_, _ = io.WriteString(w, head("POST "+hook, form, "eA==", idToken("flood"))+flood+length(100))
					return w.status()
				}, tt.status...)
			})
			a.wantServing(t)
		})
	}
}

// manyHeaders is size bytes of header lines, each as short as may be and with a name of its own.
func manyHeaders(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		b.WriteString(strconv.FormatInt(int64(i), 36) + ":\n")
	}
	return b.String()
}

// Bodies within the cap that take many times their size to read, should somebody read them before the signature is
// checked; and, signed, to parse.
func TestBombsLeaveMemoryFlat(t *testing.T) {
	fits := func(text string) string { return text[:min(len(text), mib-64)] }
	form100k := fits(manyKeys(100_000))
	for name, tt := range map[string]struct {
		target, media, body, encoding string
		signed                        int // status when signed; for what Twilio's scheme cannot sign 403
	}{
		"form of 100k keys":     {hook, form, form100k, "", 403},
		"form of one key":       {hook, form, fits(strings.Repeat("k=v&", mib/4)), "", 403},
		"form of long repeats":  {hook, form, strings.Repeat("key%20key="+strings.Repeat("%41", 100)+"&", 3300), "", 200},
		"form of one value":     {hook, form, "Body=" + fits(strings.Repeat("%00", mib/3-100)), "", 200},
		"deep array":            {"/webhooks/orchestrator", jsonType, fits(strings.Repeat("[", mib)), "", 200},
		"deep object":           {"/webhooks/orchestrator", jsonType, fits(strings.Repeat(`{"a":`, mib/5)), "", 200},
		"long number":           {"/webhooks/orchestrator", jsonType, `{"eventType":1` + fits(strings.Repeat("0", mib-1000)) + "}", "", 200},
		"large exponent":        {"/webhooks/orchestrator", jsonType, `{"eventType":1e999999999}`, "", 200},
		"repeated JSON key":     {"/webhooks/orchestrator", jsonType, "{" + fits(strings.Repeat(`"a":1,`, mib/6-100)) + `"b":1}`, "", 200},
		"array of empty events": {"/webhooks/event-streams", jsonType, "[" + fits(strings.Repeat("{},", mib/3-100)) + "{}]", "", 200},
		"a full batch":          {"/webhooks/event-streams", jsonType, "[" + strings.Repeat(`{"a":{}},`, 999) + "{}]", "", 200},
		"gzip of 993 MiB":       {"/webhooks/orchestrator", jsonType, bomb(t), "gzip", 200},
		"gzip of a form":        {hook, form, bomb(t), "gzip", 200},
	} {
		t.Run(name, func(t *testing.T) {
			a := attack(t)
			target := tt.target
			if tt.media == jsonType {
				target = validation.WithBodyHash(target, []byte(tt.body))
			}
			try := func(id, signature string, w sandbox.Webhook, most int, want ...int) {
				more := []string{idToken(id)}
				if tt.encoding != "" {
					more = append(more, "Content-Encoding: "+tt.encoding)
				}
				t.Log(id)
				a.wantFlat(t, most, func() {
					a.wantAll(t, attackers, w, func(w *wire) int {
						_, _ = io.WriteString(w, head("POST "+target, tt.media, signature, more...)+length(len(tt.body))+tt.body)
						return w.status()
					}, want...)
				})
			}
			try("forged", "Zm9yZ2Vk", named("forged"), flat, http.StatusForbidden)
			if signature := sign(target, tt.media, []byte(tt.body)); tt.signed == http.StatusOK {
				// Or it could not be read in time: Twilio is told so, and memory is what this is about.
				try("signed", signature, genuine(target, tt.media, tt.body, "signed"), parsing, http.StatusOK, http.StatusServiceUnavailable)
			} else { // nobody can sign it
				try("unsigned", signature, named("unsigned"), flat, tt.signed)
			}
			a.wantServing(t)
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d=&", i)
	}
	return b.String()
}

// bomb is 993 MiB of zeros in less than 1 MiB: one MiB of them, and that again and again, which is one gzip file.
func bomb(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(make([]byte, mib))
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return strings.Repeat(out.String(), (mib-64)/out.Len())
}
