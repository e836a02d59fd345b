package chaos

import (
	"io"
	"net"
	"sync"
	"testing"
)

// link is the way of one process to NATS. It can be cut, as when the process is killed or the network goes, and
// frozen: then what was sent arrives late.
//
// Toxiproxy, which the tests of a sick network use, cannot stand in for it: its way leads to one server, where this one finds
// any that runs; what ends a connection there lets what is under way arrive; and what its half-open connection
// holds back is lost, never late.
type link struct {
	listener net.Listener
	target   func() string
	flow     sync.RWMutex // locked while frozen
	all      sync.WaitGroup

	mu    sync.Mutex
	isCut bool
	conns map[net.Conn]struct{}
}

func newLink(tb testing.TB, target func() string) *link {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	l := &link{listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	l.all.Go(l.accept)
	tb.Cleanup(l.close)
	return l
}

func (l *link) url() string { return "nats://" + l.listener.Addr().String() }

func (l *link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", l.target())
		if err != nil {
			_ = client.Close()
			continue
		}
		if !l.add(client, server) {
			continue
		}
		l.all.Go(func() { l.carry(client, server) })
		l.all.Go(func() { l.carry(server, client) })
	}
}

// add keeps both ends, or closes them when the link is cut.
func (l *link) add(ends ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, end := range ends {
		if l.isCut {
			_ = end.Close()
			continue
		}
		l.conns[end] = struct{}{}
	}
	return !l.isCut
}

// carry copies from one end to the other until one is closed, then closes both.
func (l *link) carry(to io.WriteCloser, from io.ReadCloser) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		l.flow.RLock()
		_, err = to.Write(buffer[:n])
		l.flow.RUnlock()
		if err != nil {
			return
		}
	}
}

// cut drops every connection and what is in it, and lets none through until mend.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = true
	for end := range l.conns {
		if tcp, ok := end.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = end.Close()
	}
	clear(l.conns)
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = false
}

func (l *link) freeze() { l.flow.Lock() }
func (l *link) thaw()   { l.flow.Unlock() }

func (l *link) close() {
	_ = l.listener.Close()
	l.cut()
	l.all.Wait()
}
