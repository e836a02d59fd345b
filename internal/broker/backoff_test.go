package broker

import "testing"

func TestANewConnectionEndsABackOff(t *testing.T) {
	reconnected := make(chan struct{})
	close(reconnected)
	b := backoff{last: backoffMost}
	b.sleep(t.Context(), reconnected)
	if b.last != 0 {
		t.Errorf("got %v, want to begin anew", b.last)
	}
}

func TestEachNewConnectionIsTold(t *testing.T) {
	n := natsAway(t)
	for range 2 {
		reconnected := n.conn.nextConnection()
		select {
		case <-reconnected:
			t.Fatal("got a connection, want none before NATS is there")
		default:
		}
		n.start()
		eventually(t, "the new connection is told", func() bool { return isClosed(reconnected) })
		n.server.Shutdown()
		eventually(t, "the connection is lost", func() bool { return !n.conn.nc.IsConnected() })
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
