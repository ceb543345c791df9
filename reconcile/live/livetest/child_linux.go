package livetest

import "syscall"

// dieWithParent has the kernel end a server when this test process dies, also
// by a panic or a timeout, where no cleanup runs.
var dieWithParent = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
