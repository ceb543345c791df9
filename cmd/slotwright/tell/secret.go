package tell

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// Secret says where a secret is found. It is read again for every note, so
// that a rotated one needs no restart; no error ever has its content.
type Secret struct {
	What string // for messages, such as "token"
	File string // one line
	Env  string // the name of a variable; used where File is ""
}

// given reports whether there is a place to look.
func (s Secret) given() bool { return s.File != "" || s.Env != "" }

const maxSecret = 4096 // bytes

func (s Secret) read() (string, error) {
	if s.File == "" {
		if text := os.Getenv(s.Env); text != "" {
			return text, nil
		}
		return "", fmt.Errorf("read the %s: the environment variable %s is not set", s.What, s.Env)
	}
	f, err := os.Open(s.File)
	if err != nil {
		return "", fmt.Errorf("read the %s: %w", s.What, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil {
		text = bytes.TrimRight(text, "\r\n")
		err = oneLine(text)
	}
	if err != nil {
		return "", fmt.Errorf("read the %s from %s: %w", s.What, s.File, err)
	}
	return string(text), nil
}

func oneLine(text []byte) error {
	switch {
	case len(text) == 0:
		return errors.New("it is empty")
	case len(text) > maxSecret:
		return fmt.Errorf("more than %d bytes", maxSecret)
	case bytes.ContainsAny(text, "\r\n\x00"):
		return errors.New("more than one line")
	}
	return nil
}
