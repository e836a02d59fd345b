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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// attacked is an ingest as a process, the NATS that it stores in, and what was seen there.
type attacked struct {
	*child
	url string
}

func attack(t *testing.T, settings ...string) *attacked {
	t.Helper()
	embedded := server(t, "127.0.0.1:0", t.TempDir())
	env := environment(append(settings, "NATS_URL", embedded.ClientURL())...)
	a := &attacked{child: launched(t, env), url: embedded.ClientURL()}
	wait(t, "readiness", func() bool { status, _ := a.ready(t); return status == http.StatusOK })
	return a
}

// wantServing checks that a genuine webhook is answered 200 and stored, and is all that is stored.
func (a *attacked) wantServing(t *testing.T) {
	t.Helper()
	if status := a.post(t, token, body); status != http.StatusOK {
		t.Errorf("got %d for a genuine webhook, want 200", status)
	}
	if stored := raw(t, a.url); len(stored) != 1 {
		t.Errorf("got %d events in RAW, want the genuine one", len(stored))
	}
}

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

// wantAll has n attackers do the same at once, each on a connection of its own, and checks what f returns.
func (a *attacked) wantAll(t *testing.T, n, status int, f func(*wire) int) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for range n {
		w := a.wire(t)
		wg.Go(func() {
			defer w.Close()
			answer := f(w)
			mu.Lock()
			defer mu.Unlock()
			got[answer]++
		})
	}
	wg.Wait()
	if got[status] != n {
		t.Errorf("got answers %v, want %d for each of %d", got, status, n)
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
				a.wantAll(t, attackers, tt.status, func(w *wire) int {
					_, _ = io.WriteString(w, head("POST "+hook, form, "Zm9yZ2Vk")+tt.framing)
					for n := 0; n < huge; n += len(plain) {
						if _, err := w.Write(tt.piece); err != nil {
							break // it was refused, and need not be sent
						}
						sent.Add(int64(len(plain)))
					}
					return w.status()
				})
			})
			t.Logf("%d attackers could send %d MiB of %d MiB", attackers, sent.Load()/mib, attackers*huge/mib)
			a.wantServing(t)
		})
	}
}

func TestSlowSendersLeaveMemoryFlat(t *testing.T) {
	const slow = 1000
	for name, tt := range map[string]struct {
		begin, each string
		status      int
	}{
		"headers":        {"POST " + hook + " HTTP/1.1\r\nHost: x\r\n", "X-More: x\r\n", 0},
		"body":           {head("POST "+hook, form, "c2xvdw==") + length(1000), "x", 408},
		"chunked body":   {head("POST "+hook, form, "c2xvdw==") + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 408},
		"unread body":    {head("POST "+hook, form, "") + length(1000), "x", 403},
		"nothing at all": {"", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := attack(t)
			a.wantFlat(t, flat, func() {
				a.wantAll(t, slow, tt.status, func(w *wire) int {
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
				})
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
		_, _ = io.WriteString(last, head("POST "+hook, form, "c2xvdw==")+length(1000)+"x")
	}
	a.wantServing(t)
	if len(last.statuses) > 0 {
		t.Error("got the answer after the last slow sender had its 408, want it while that one is still sending")
	}
}

func TestHeaderFloodsLeaveMemoryFlat(t *testing.T) {
	post, long := head("POST "+hook, form, "eA=="), strings.Repeat("x", 12*mib)
	// Whole before there is a connection, which waits 5 s for them.
	for name, request := range map[string]string{
		"many":         post + strings.Repeat("A: b\r\n", 2*mib) + length(0),
		"one, long":    post + "X-Long: " + long + "\r\n" + length(0),
		"never ending": post + "X-Long: " + long,
		"request line": head("GET "+hook+"?"+long, form, "eA==") + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			a := attack(t)
			a.wantFlat(t, flat, func() {
				a.wantAll(t, attackers, http.StatusRequestHeaderFieldsTooLarge, func(w *wire) int {
					_, _ = io.WriteString(w, request)
					return w.status()
				})
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
		size, status int
	}{
		"as many as are taken": {31 << 10, http.StatusRequestTimeout},
		"more":                 {107 << 10, http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			flood := manyHeaders(tt.size)
			a := attack(t)
			a.wantFlat(t, most, func() {
				a.wantAll(t, many, tt.status, func(w *wire) int {
					_, _ = io.WriteString(w, head("POST "+hook, form, "eA==")+flood+length(100))
					return w.status()
				})
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
		"form of long repeats":  {hook, form, fits(strings.Repeat("key%20key="+strings.Repeat("%41", 100)+"&", 4000)), "", 200},
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
			for signature, status := range map[string]int{"Zm9yZ2Vk": 403, sign(target, tt.media, []byte(tt.body)): tt.signed} {
				if signature == "" { // nobody can sign it
					status = 403
				}
				more := []string{}
				if tt.encoding != "" {
					more = append(more, "Content-Encoding: "+tt.encoding)
				}
				most := flat
				if status == http.StatusOK {
					most = parsing
				}
				t.Logf("forged, or signed: %t", signature != "Zm9yZ2Vk")
				a.wantFlat(t, most, func() {
					a.wantAll(t, attackers, status, func(w *wire) int {
						_, _ = io.WriteString(w, head("POST "+target, tt.media, signature, more...)+length(len(tt.body))+tt.body)
						if got := w.status(); got != http.StatusServiceUnavailable || status != http.StatusOK {
							return got
						}
						return http.StatusOK // it could not be read in time: Twilio is told so, and memory is what this is about
					})
				})
			}
			if tt.signed != 200 {
				a.wantServing(t)
			}
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
