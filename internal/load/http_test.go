package load

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/internal/freeport"
)

// serve answers each connection's requests with answers, one after the other, and then closes it.
func serve(t *testing.T, answers ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 4096)
			for _, answer := range answers {
				if _, err := conn.Read(buffer); err != nil {
					break
				}
				_, _ = io.WriteString(conn, answer)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

func TestAnswers(t *testing.T) {
	const next = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
	for name, c := range map[string]struct {
		answer string
		want   int
	}{
		"empty":               {"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200},
		"no content":          {"HTTP/1.1 204 No Content\r\n\r\n", 204},
		"a body":              {"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nnever", 403},
		"chunks":              {"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 503},
		"its last":            {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 200},
		"without an end":      {"HTTP/1.1 200 OK\r\n\r\n", 0},
		"cut":                 {"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort", 0},
		"not HTTP":            {"SSH-2.0-OpenSSH_9.9 and some more\r\n\r\n", 0},
		"no status":           {"HTTP/1.1 abc OK\r\n\r\n", 0},
		"a length of nothing": {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			answers := []string{c.answer, next}
			if name == "cut" {
				answers = answers[:1]
			}
			connections, err := NewConnections(serve(t, answers...), 1)
			if err != nil {
				t.Fatal(err)
			}
			defer connections.Close()
			shot := &Shot{Request: []byte("POST / HTTP/1.1\r\n\r\n")}
			if got := connections.Post(t.Context(), 0, shot); got != c.want {
				t.Fatalf("got %d, want %d", got, c.want)
			}
			again := connections.Post(t.Context(), 0, shot)
			if kept := c.want != 0 && name != "its last"; kept && again != 202 {
				t.Errorf("got %d from the same connection, want its next answer, 202", again)
			} else if !kept && again != c.want {
				t.Errorf("got %d, want %d from a new connection", again, c.want)
			}
		})
	}
}

func TestNobodyThereIsNoAnswer(t *testing.T) {
	connections, err := NewConnections("http://"+freeport.Address(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := connections.Post(t.Context(), 0, &Shot{}); got != 0 {
		t.Errorf("got %d, want 0", got)
	}
}

func TestPlotIsAnSVGOfBoth(t *testing.T) {
	src := source(t, "http://127.0.0.1", 0, TrafficConfig{Conversations: 3, Mix: RealMix})
	shots, err := src.Prepare(t.Context(), 500)
	if err != nil {
		t.Fatal(err)
	}
	result, _ := Plan{Name: "what it is called", Workers: 2, Shots: shots, Do: func(context.Context, int, *Shot) int { return 200 }}.Run(t.Context())
	result.Series = append(result.Series, Point{Seconds: 1, Rate: 10}, Point{Seconds: 2, Rate: 20})
	var out bytes.Buffer
	if err := Plot(&out, "a title", result); err != nil {
		t.Fatal(err)
	}
	for decoder := xml.NewDecoder(bytes.NewReader(out.Bytes())); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("got what is no XML: %v", err)
		}
	}
	for _, want := range []string{"<svg", "a title", "what it is called", "percentile", "answers a second"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got no %q in the plot", want)
		}
	}
}

// A run that is over before anything was sent, or in which everything took the same time, is no reason to fall over.
func TestPlotOfNextToNothing(t *testing.T) {
	same := Result{Name: "same", Latency: Latency{Percentiles: []Bracket{{0, 1}, {50, 1}}}, Series: []Point{{Seconds: 1}}}
	for _, results := range [][]Result{nil, {{}}, {same}} {
		if err := Plot(io.Discard, "a title", results...); err != nil {
			t.Error(err)
		}
	}
}
