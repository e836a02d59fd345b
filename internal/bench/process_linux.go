package bench

import "syscall"

// ownProcess keeps a terminal's Ctrl-C from a child, which is stopped in its turn, and ends the child should the bench be killed.
func ownProcess() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
