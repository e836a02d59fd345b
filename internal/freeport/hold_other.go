//go:build !linux

package freeport

import (
	"fmt"
	"net"
	"sync"
)

var held sync.Map

// hold keeps other tests of this process off the port, and sees that nobody has it now.
func hold(port int) (release func(), err error) {
	if _, taken := held.LoadOrStore(port, true); taken {
		return nil, fmt.Errorf("port %d is another test's", port)
	}
	release = func() { held.Delete(port) }
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		release()
		return nil, err
	}
	_ = l.Close()
	return release, nil
}
