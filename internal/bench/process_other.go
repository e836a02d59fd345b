//go:build !linux

package bench

import "syscall"

func ownProcess() *syscall.SysProcAttr { return nil }
