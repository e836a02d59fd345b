package freeport

import (
	"errors"
	"syscall"
)

// hold binds the port without listening on it. Linux refuses a port that another socket is bound to, unless both have
// SO_REUSEADDR and neither listens. So no second hold can succeed, while a listener of Go's, which has the option, can once this one has it too.
func hold(port int) (release func(), err error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	release = func() { _ = syscall.Close(socket) }
	if err := errors.Join(
		syscall.Bind(socket, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}),
		syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
	); err != nil {
		release()
		return nil, err
	}
	return release, nil
}
