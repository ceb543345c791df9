package main

import (
	"bytes"
	"errors"
	"strings"
	"syscall"
	"testing"
)

// full fails as a writer does after some bytes.
type full struct {
	left int
	err  error
}

func (f *full) Write(text []byte) (int, error) {
	if f.left -= len(text); f.left < 0 {
		return 0, f.err
	}
	return len(text), nil
}

func TestOutputThatIsNotWholeIsAnError(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		says string
	}{
		{"a full disk is told", syscall.ENOSPC, "print: no space left on device"},
		{"a reader that had enough is not", syscall.EPIPE, ""},
	} {
		for _, args := range [][]string{{"schema"}, {"explain"}, {"version"}, {"--help"}} {
			var stderr bytes.Buffer
			code := run(t.Context(), args, &tool{
				in: strings.NewReader(""), out: &full{5, c.err}, err: &stderr,
				env: func(string) (string, bool) { return "", false },
			})
			if code != int(exitError) || !strings.Contains(stderr.String(), c.says) || c.says == "" && stderr.Len() > 0 {
				t.Errorf("%s: %v: exit code %d, %q", c.name, args, code, stderr.String())
			}
		}
	}
}

func TestAfterAFailureNothingElseIsWritten(t *testing.T) {
	gone := errors.New("gone")
	to := &full{3, gone}
	o := &outlet{to: to}
	_, _ = o.Write([]byte("abcd"))
	to.left = 100
	if n, err := o.Write([]byte("e")); n != 0 || !errors.Is(err, gone) || to.left != 100 {
		t.Errorf("wrote %d bytes, error %v", n, err)
	}
}
