package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"time"
)

// answerTimeout is how long an answer may take: longer than Twilio waits, so that late answers are measured too.
const answerTimeout = 10 * time.Second

// Connections are kept-alive HTTP/1.1 connections, one per worker, on which requests are sent that were encoded in
// advance: a load generator on the same machine as its target must cost little.
type Connections struct {
	dial func(ctx context.Context) (net.Conn, error)
	open []connection
}

type connection struct {
	conn   net.Conn
	reader *bufio.Reader
}

// NewConnections returns n connections to the host of base, a URL. They are opened when they are first used.
func NewConnections(base string, n int) (*Connections, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the target is not a base URL: give http:// or https:// and a host")
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), u.Scheme)
	}
	dialer := &net.Dialer{Timeout: answerTimeout}
	c := &Connections{open: make([]connection, n)}
	c.dial = func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", address) }
	if u.Scheme == "https" {
		secure := &tls.Dialer{NetDialer: dialer}
		c.dial = func(ctx context.Context) (net.Conn, error) { return secure.DialContext(ctx, "tcp", address) }
	}
	return c, nil
}

// Post is a Do that sends the shot's request on the worker's connection.
func (c *Connections) Post(ctx context.Context, worker int, shot *Shot) (status int) {
	own := &c.open[worker]
	status, err := own.send(ctx, c.dial, shot.Request)
	if err != nil {
		own.close()
		return 0
	}
	return status
}

// Close closes all connections. It must not be called while one is in use.
func (c *Connections) Close() {
	for i := range c.open {
		c.open[i].close()
	}
}

func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close() // there is nothing left to lose
		c.conn = nil
	}
}

func (c *connection) send(ctx context.Context, dial func(context.Context) (net.Conn, error), request []byte) (int, error) {
	if c.conn == nil {
		conn, err := dial(ctx)
		if err != nil {
			return 0, err
		}
		c.conn, c.reader = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, err
	}
	return c.answer()
}

// answer reads a complete answer and returns its status. It reads less than net/http does, and so costs less.
func (c *connection) answer() (status int, err error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, errors.New("read answer: it is not HTTP/1.1")
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, errors.New("read answer: it has no status")
	}
	h, err := c.headers()
	if err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	if err := c.skip(status, h); err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	if h.last {
		c.close()
	}
	return status, nil
}

// framing is what the headers say about where an answer ends.
type framing struct {
	length  int64 // of the body; -1 if not given
	chunked bool
	last    bool // the connection ends with it
}

func (c *connection) headers() (framing, error) {
	h := framing{length: -1}
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		name, value, found := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		if !found {
			return h, nil
		}
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if h.length, err = strconv.ParseInt(string(value), 10, 64); err != nil || h.length < 0 {
				return h, errors.New("its length is no number")
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			h.chunked = true
		case bytes.EqualFold(name, []byte("Connection")):
			h.last = bytes.EqualFold(value, []byte("close"))
		}
	}
}

// skip reads past the body.
func (c *connection) skip(status int, h framing) error {
	switch {
	case status == http.StatusNoContent || status == http.StatusNotModified || h.length == 0:
		return nil
	case h.chunked:
		if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(c.reader)); err != nil {
			return err
		}
		_, err := c.reader.ReadSlice('\n') // the empty line after the last chunk
		return err
	case h.length < 0:
		return errors.New("it does not say where it ends")
	}
	_, err := io.CopyN(io.Discard, c.reader, h.length)
	return err
}
