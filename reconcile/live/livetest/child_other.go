//go:build !linux

package livetest

import "syscall"

var dieWithParent *syscall.SysProcAttr
