package freeport

import (
	"errors"
	"io"
	"net"
	"testing"
)

func TestAServerComesBackOnItsPort(t *testing.T) {
	address := Address(t)
	for range 3 {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		endHere(t, l)
		l.Close()
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			t.Error("got a connection to nobody")
		}
	}
}

// endHere has l's end close a connection first, as a server that stops does, so that the system remembers it on this port.
func endHere(t *testing.T, l net.Listener) {
	t.Helper()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	served.Close()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
}

func TestNobodyElseGetsThePort(t *testing.T) {
	port := New(t)
	if release, err := hold(port); err == nil {
		release()
		t.Errorf("port %d was given twice", port)
	}
}

func TestAPortInUseIsRefused(t *testing.T) {
	l, err := net.Listen("tcp", Address(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if release, err := hold(l.Addr().(*net.TCPAddr).Port); err == nil {
		release()
		t.Error("got the port of a listener")
	}
}

func TestThePortIsFreeAfterTheTest(t *testing.T) {
	var port int
	t.Run("one", func(t *testing.T) { port = New(t) })
	release, err := hold(port)
	if err != nil {
		t.Fatalf("port %d after its test: %v", port, err)
	}
	release()
}
