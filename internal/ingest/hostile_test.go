package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

// raw sends text, as it is, over a connection of its own, and returns the answer's status (0 when there was none). The
// connection is half open: what is not sent never comes.
func (r *rig) raw(t *testing.T, text string) int {
	t.Helper()
	conn := r.dial(t)
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Logf("write: %v", err) // the answer may have come before the end
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Logf("read: %v", err)
		return 0
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); len(body) > 0 && resp.StatusCode < 500 && resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got body %q with status %d", body, resp.StatusCode)
	}
	return resp.StatusCode
}

// dial opens a connection that fails after 15 s, and is closed when the test ends.
func (r *rig) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
	return conn
}

// head is a request's head for w, without its framing, so that lines can be added.
func (w webhook) head(line string, more ...string) string {
	lines := append([]string{line, "Host: x", "Content-Type: " + w.media}, more...)
	if w.signature != "" {
		lines = append(lines, "X-Twilio-Signature: "+w.signature)
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}

func (w webhook) length() string { return fmt.Sprintf("Content-Length: %d\r\n\r\n", len(w.body)) }

func TestRequestsOnTheWire(t *testing.T) {
	good := messageAdded().sign(token)
	const line = "POST /webhooks/conversations HTTP/1.1"
	chunked := fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(good.body), good.body)
	query := get(conversations, "EventType", "onConversationUpdated", "AccountSid", account, "ConversationSid", chat).sign(token)
	unsignedHook := messageAdded()
	tests := map[string]struct {
		text   string
		status int
	}{
		"plain":                      {good.head(line) + good.length() + good.body, 200},
		"chunked":                    {good.head(line) + chunked, 200},
		"HTTP/1.0":                   {good.head("POST /webhooks/conversations HTTP/1.0") + good.length() + good.body, 200},
		"header in lower case":       {strings.ReplaceAll(good.head(line), "X-Twilio-Signature", "x-twilio-signature") + good.length() + good.body, 200},
		"spoofed forwarding":         {good.head(line, "X-Forwarded-Proto: http", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example") + good.length() + good.body, 200},
		"spoofed host":               {strings.Replace(good.head(line), "Host: x", "Host: evil.example", 1) + good.length() + good.body, 200},
		"absolute form":              {good.head("POST http://evil.example/webhooks/conversations HTTP/1.1") + good.length() + good.body, 200},
		"get":                        {query.head("GET "+query.target+" HTTP/1.1") + "\r\n", 200},
		"get with a body":            {query.head("GET "+query.target+" HTTP/1.1") + good.length() + good.body, 200},
		"get, query in another case": {query.head("GET "+strings.ToLower(query.target)+" HTTP/1.1") + "\r\n", 403},
		"get of the post":            {good.head("GET /webhooks/conversations HTTP/1.1") + "\r\n", 403},

		"signed for a forwarded host": {signedFor("https://evil.example", "X-Forwarded-Host: evil.example"), 403},
		"signed for the host":         {signedFor("https://evil.example", "Host: evil.example"), 403},
		"signed for our URL":          {signedFor(base, "X-A: b"), 200},
		"signature twice":             {good.head(line, "X-Twilio-Signature: "+good.signature) + good.length() + good.body, 403},
		"bad signature before":        {good.head(line, "X-Twilio-Signature: x") + good.length() + good.body, 403},
		"empty signature":             {unsignedHook.head(line, "X-Twilio-Signature:") + unsignedHook.length() + unsignedHook.body, 403},
		"signature in a trailer":      {unsignedHook.head(line, "Trailer: X-Twilio-Signature") + strings.TrimSuffix(chunked, "\r\n") + "X-Twilio-Signature: " + good.signature + "\r\n\r\n", 403},
		"content type twice":          {good.head(line, "Content-Type: "+good.media) + good.length() + good.body, 415},

		"doubled slash":      {good.head("POST //webhooks/conversations HTTP/1.1") + good.length() + good.body, 404},
		"encoded slash":      {good.head("POST /webhooks%2Fconversations HTTP/1.1") + good.length() + good.body, 404},
		"encoded letter":     {good.head("POST /webhooks/conversation%73 HTTP/1.1") + good.length() + good.body, 404},
		"dots":               {good.head("POST /x/../webhooks/conversations HTTP/1.1") + good.length() + good.body, 404},
		"slash at the end":   {good.head("POST /webhooks/conversations/ HTTP/1.1") + good.length() + good.body, 404},
		"capital letter":     {good.head("POST /webhooks/Conversations HTTP/1.1") + good.length() + good.body, 404},
		"another query":      {good.head("POST /webhooks/conversations?x HTTP/1.1") + good.length() + good.body, 403},
		"an empty query":     {good.head("POST /webhooks/conversations? HTTP/1.1") + good.length() + good.body, 403},
		"method in lower":    {good.head("post /webhooks/conversations HTTP/1.1") + good.length() + good.body, 405},
		"head":               {good.head("HEAD /webhooks/conversations HTTP/1.1") + "\r\n", 405},
		"trace":              {good.head("TRACE /webhooks/conversations HTTP/1.1") + "\r\n", 405},
		"length and chunked": {good.head(line, fmt.Sprintf("Content-Length: %d", len(good.body))) + chunked, 200}, // chunked counts, as HTTP says
		"two lengths":        {good.head(line, "Content-Length: 3") + good.length() + good.body, 400},
		"bad chunk":          {good.head(line) + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		"header flood":       {good.head(line, strings.Repeat("X-Flood: "+strings.Repeat("x", 1000)+"\r\n", 200)+"X-Last: x") + good.length() + good.body, 431},
		"length over cap":    {good.head(line) + "Content-Length: 200000000\r\n\r\n", 413},
		"bad chunk, streams": {jsonBody(eventStreams, "x").sign(token).head("POST "+eventStreams+" HTTP/1.1") + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 503},
		"no framing at all":  {"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400},
	}
	r := start(t, Config{}, nil, nil)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before, _ := r.shelf.held()
			if got := r.raw(t, tt.text); got != tt.status {
				t.Errorf("got %d, want %d", got, tt.status)
			}
			after, _ := r.shelf.held()
			if stored := len(after) - len(before); (tt.status == 200) != (stored == 1) {
				t.Errorf("got %d events stored with status %d", stored, tt.status)
			}
		})
	}
}

// signedFor is a webhook that the token's owner signed for another host, with header to pass for that host.
func signedFor(host, header string) string {
	w := messageAdded()
	w.signature = validation.Sign(validation.NewSecret(token), w.method, host+w.target, w.media, []byte(w.body))
	head := w.head("POST /webhooks/conversations HTTP/1.1", header)
	if strings.HasPrefix(header, "Host:") {
		head = strings.Replace(head, "Host: x\r\n", "", 1)
	}
	return head + w.length() + w.body
}

func TestBodyThatDoesNotCome(t *testing.T) {
	r := start(t, Config{BodyTimeout: 150 * time.Millisecond}, nil, nil)
	w := messageAdded().sign(token)
	for name, rest := range map[string]string{
		"nothing":     "Content-Length: 100\r\n\r\n",
		"a part":      "Content-Length: 100\r\n\r\nEventType=",
		"chunks":      "Transfer-Encoding: chunked\r\n\r\n5\r\nEvent\r\n",
		"large, part": "Content-Length: 500000\r\n\r\n" + strings.Repeat("x", 2*smallBody),
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			if got := r.raw(t, w.head("POST /webhooks/conversations HTTP/1.1")+rest); got != http.StatusRequestTimeout {
				t.Errorf("got %d, want 408", got)
			}
			stream := jsonBody(eventStreams, "[]").sign(token)
			if got := r.raw(t, stream.head("POST "+eventStreams+" HTTP/1.1")+rest); got != http.StatusServiceUnavailable {
				t.Errorf("got %d for Event Streams, want 503: it would discard the events", got)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("got the answer after %v, want it soon after the timeout", took)
			}
		})
	}
	r.shelf.wantEmpty(t)
	r.wantCounted(t, tooSlow)
}

// The server reads on in a body that was refused unread, and must not do so for ever, not even where it answers
// without asking us.
func TestRefusedBodyThatDoesNotCome(t *testing.T) {
	r := start(t, Config{BodyTimeout: 150 * time.Millisecond}, nil, nil)
	w := messageAdded()
	for name, tt := range map[string]struct {
		head   string
		status int
	}{
		"unsigned":     {w.head("POST /webhooks/conversations HTTP/1.1"), 403},
		"wrong type":   {webhook{media: "text/plain"}.head("POST /webhooks/conversations HTTP/1.1"), 415},
		"wrong method": {w.head("PUT /webhooks/conversations HTTP/1.1"), 405},
		"wrong path":   {w.head("POST /webhooks HTTP/1.1"), 404},
		"get":          {w.head("GET /webhooks/conversations HTTP/1.1"), 403},
		"no path":      {w.head("OPTIONS * HTTP/1.1"), 404},
		"expectation":  {w.head("POST /webhooks/conversations HTTP/1.1", "Expect: x"), 417},
	} {
		for _, framing := range []string{"Content-Length: 100\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\nEvent\r\n"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				conn := r.dial(t)
				_, _ = io.WriteString(conn, tt.head+framing)
				answers := bufio.NewReader(conn)
				resp, err := http.ReadResponse(answers, nil)
				if err != nil || resp.StatusCode != tt.status {
					t.Fatalf("got %v and %v, want %d", resp, err, tt.status)
				}
				resp.Body.Close()
				if _, err := answers.Peek(1); !errors.Is(err, io.EOF) {
					t.Errorf("got %v after the answer, want the connection closed", err)
				}
			})
		}
	}
}

// A stranger's connection is not kept for a next request that nobody needs to hear.
func TestARefusalEndsTheConnection(t *testing.T) {
	w := messageAdded()
	const line = "POST /webhooks/conversations HTTP/1.1"
	full := func(r *rig) {
		for range cap(r.reading) {
			r.reading <- struct{}{}
		}
	}
	for name, tt := range map[string]struct {
		change func(*rig)
		text   string
		status int
	}{
		"no path":       {nil, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		"unsigned":      {nil, w.head(line) + w.length() + w.body, 403},
		"forged":        {nil, w.sign("another").head(line) + w.length() + w.body, 403},
		"wrong method":  {nil, w.head("PUT /webhooks/conversations HTTP/1.1") + w.length() + w.body, 405},
		"over the cap":  {nil, w.sign(token).head(line) + "Content-Length: 200000000\r\n\r\n", 413},
		"not read":      {full, w.sign(token).head(line) + w.length() + w.body, 503},
		"not read, pre": {full, participantAdd().sign("another").head(line) + participantAdd().length() + participantAdd().body, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, Config{BodyTimeout: 100 * time.Millisecond}, nil, tt.change)
			conn := r.dial(t)
			_, _ = io.WriteString(conn, tt.text)
			answers := bufio.NewReader(conn)
			resp, err := http.ReadResponse(answers, nil)
			if err != nil || resp.StatusCode != tt.status || !resp.Close {
				t.Fatalf("got %v and %v, want %d and the end of the connection announced", resp, err, tt.status)
			}
			resp.Body.Close()
			if _, err := answers.Peek(1); !errors.Is(err, io.EOF) {
				t.Errorf("got %v after the answer, want the connection closed", err)
			}
		})
	}
}

func TestConnectionServesOnAfterABody(t *testing.T) {
	r := start(t, Config{BodyTimeout: 100 * time.Millisecond}, nil, func(r *rig) {
		r.shelf.put = func(context.Context, events.Event) error {
			<-time.After(200 * time.Millisecond) // longer than the body's deadline
			return nil
		}
	})
	w := messageAdded().sign(token)
	conn := r.dial(t)
	answers := bufio.NewReader(conn)
	for range 2 {
		_, _ = io.WriteString(conn, w.head("POST /webhooks/conversations HTTP/1.1")+w.length()+w.body)
		resp, err := http.ReadResponse(answers, nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("got %v, %v, want 200: the first body's deadline must not outlive it", resp, err)
		}
		resp.Body.Close()
	}
}

// endless is a body of n bytes that counts what is taken of it.
type endless struct {
	n     int64
	taken atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) {
	left := e.n - e.taken.Load()
	if left <= 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), left)
	for i := range p[:n] {
		p[i] = 'x'
	}
	e.taken.Add(n)
	return int(n), nil
}

func TestHugeChunkedBodyIsNotTaken(t *testing.T) {
	r := start(t, Config{}, nil, nil)
	body := &endless{n: 200 << 20}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.addr+conversations, io.NopCloser(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaForm)
	req.Header.Set("X-Twilio-Signature", "x")
	before := totalAlloc()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("got %d, want 413", resp.StatusCode)
		}
	} // else the connection was closed while the client was still sending
	client.CloseIdleConnections()
	r.wantCounted(t, tooLarge)
	if taken := body.taken.Load(); taken > 16<<20 { // what the sockets' buffers hold comes on top of the cap
		t.Errorf("got %d bytes taken of 200 MB, want about the cap of 1 MiB", taken)
	}
	if got := totalAlloc() - before; got > 32<<20 {
		t.Errorf("got %d bytes allocated in all, want a few times the cap", got)
	}
	r.shelf.wantEmpty(t)
}

func totalAlloc() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestLargeBodiesAreAdmittedAFewAtATime(t *testing.T) {
	release := make(chan struct{})
	open := sync.OnceFunc(func() { close(release) })
	var mu sync.Mutex
	held, most := 0, 0
	r := start(t, Config{}, nil, func(r *rig) {
		r.cfg.BodyTimeout, r.cfg.StoreTimeout = time.Minute, time.Minute // more than Twilio waits: no clock decides here
		r.shelf.put = func(context.Context, events.Event) error {
			mu.Lock()
			held++
			most = max(most, held)
			full := held == maxLargeBodies
			mu.Unlock()
			if full {
				open() // nobody else gets here before one of these has gone
			}
			<-release
			mu.Lock()
			defer mu.Unlock()
			held--
			return nil
		}
	})
	var wg sync.WaitGroup
	for i := range 2 * maxLargeBodies {
		wg.Go(func() {
			w := messageAdded("Body", strings.Repeat("x", 2*smallBody)+fmt.Sprint(i))
			if got := r.send(t, w).status; got != http.StatusOK {
				t.Errorf("got %d, want 200", got)
			}
		})
	}
	wg.Wait()
	if most != maxLargeBodies {
		t.Errorf("got %d large bodies held at once, want %d", most, maxLargeBodies)
	}
}

func TestNoRoomForALargeBody(t *testing.T) {
	r := start(t, Config{BodyTimeout: 100 * time.Millisecond}, nil, func(r *rig) {
		for range maxLargeBodies {
			r.large <- struct{}{}
		}
	})
	r.wantStatus(t, messageAdded(), http.StatusOK) // a usual one needs no room
	r.wantStatus(t, messageAdded("Body", strings.Repeat("x", 2*smallBody)), http.StatusServiceUnavailable)
	r.wantCounted(t, overloaded)
}

func TestPayloadOutlivesTheRequest(t *testing.T) {
	r := start(t, Config{}, nil, nil)
	for i := range 50 {
		r.wantStatus(t, messageAdded("Body", strings.Repeat(string(rune('a'+i%26)), 1000)), http.StatusOK)
	}
	stored, _ := r.shelf.held()
	for i, e := range stored {
		if want := strings.Repeat(string(rune('a'+i%26)), 1000); !strings.Contains(string(e.Payload), want) {
			t.Fatalf("got another payload for event %d: its memory was used again", i)
		}
	}
}
