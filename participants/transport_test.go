package participants

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// A caller that gives a call longer than the default client's own limit gets what it asked for; one that sets no limit has that.
func TestTheCallersDeadlineIsTheOnlyOne(t *testing.T) {
	for name, tc := range map[string]struct {
		deadline, answered time.Duration // after the call began; deadline 0: none
		want               error
	}{
		"a longer deadline":      {2 * time.Minute, time.Minute, nil},
		"a deadline that passes": {2 * time.Minute, 3 * time.Minute, context.DeadlineExceeded},
		"no deadline":            {0, 20 * time.Second, nil},
		"no deadline, no answer": {0, time.Hour, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			body := golden(t, "good_conversation_page")
			synctest.Test(t, func(t *testing.T) {
				c := connectByPipe(t, func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-time.After(tc.answered):
					case <-r.Context().Done():
					}
					answerJSON(w, body)
				})
				ctx := t.Context()
				if tc.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.deadline)
					defer cancel()
				}
				_, err := c.ListConversation(ctx, credentials(), theConversation, "")
				if !errors.Is(err, tc.want) {
					t.Errorf("got %v, want %v", err, tc.want)
				}
			})
		})
	}
}

// connectByPipe returns a Client of a server that it reaches without a network, for use in a bubble of fake time. But for that, its
// http.Client is the default one.
func connectByPipe(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	c := connect(t, Config{ConversationsURL: "http://twilio.invalid"})
	transport, ok := c.http.Transport.(*http.Transport)
	if !ok {
		t.Fatalf("got a transport %T, want that of net/http", c.http.Transport)
	}
	transport.Proxy, transport.DialContext = nil, l.dial
	return c
}

// pipeListener is a net.Listener whose connections are pipes.
type pipeListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	l.conns <- far
	return near, nil
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Where more calls are under way at once than connections are kept, most of the next ones dial anew.
func TestAsManyConnectionsAreKeptAsAskedFor(t *testing.T) {
	const atOnce = 100
	for keep, want := range map[int]int{0: 2*atOnce - defaultIdleConns, atOnce: atOnce} {
		t.Run(fmt.Sprintf("%d kept", keep), func(t *testing.T) {
			var mu sync.Mutex
			dialled := 0
			here := make(chan struct{})
			var barrier sync.WaitGroup
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				barrier.Done()
				<-here
				answerJSON(w, []byte(`{"meta":{"next_page_url":null},"participants":[]}`))
			}))
			server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					mu.Lock()
					defer mu.Unlock()
					dialled++
				}
			}
			server.Start()
			t.Cleanup(server.Close)
			c := connect(t, Config{ConversationsURL: server.URL, IdleConns: keep})
			for range 2 {
				barrier.Add(atOnce)
				here = make(chan struct{})
				var calls sync.WaitGroup
				for i := range atOnce {
					calls.Go(func() {
						conversation := validation.SID(fmt.Sprintf("CH%032x", i))
						if _, err := c.ListConversation(t.Context(), credentials(), conversation, ""); err != nil {
							t.Error(err)
						}
					})
				}
				barrier.Wait() // all are under way
				close(here)
				calls.Wait()
			}
			mu.Lock()
			defer mu.Unlock()
			if dialled != want {
				t.Errorf("got %d connections for twice %d calls at once, want %d", dialled, atOnce, want)
			}
		})
	}
}
