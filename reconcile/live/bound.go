package live

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// What a server may answer. The client library makes room for as much as a
// reply's header claims and reads nested replies by recursion, so a hostile or
// broken server could end this process with a few bytes; these bounds are
// checked before the library sees them.
const (
	longestString = 64 << 20 // bytes of one bulk string
	longestLine   = 64 << 10 // bytes of a header, status or error line
	longestArray  = 1 << 20  // elements of one array
	deepestReply  = 16       // arrays within arrays
)

// errReply says that what came is no reply a client can accept.
var errReply = errors.New("the answer is not RESP, or larger than any real one")

// bounded checks every reply that comes over conn. It passes nil through.
func bounded(conn net.Conn) net.Conn {
	if conn == nil {
		return nil
	}
	return &boundedConn{Conn: conn}
}

type boundedConn struct {
	net.Conn
	frame frame
}

func (c *boundedConn) Read(into []byte) (int, error) {
	n, err := c.Conn.Read(into)
	if bad := c.frame.feed(into[:n]); bad != nil {
		return 0, bad
	}
	return n, err
}

// frame follows the framing of RESP2 replies through a stream.
type frame struct {
	skip int    // bytes left of a bulk string and its end of line
	line []byte // the header line so far
	open []int  // elements still to come, per open array
}

func (f *frame) feed(data []byte) error {
	for len(data) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(data))
			f.skip -= n
			data = data[n:]
			continue
		}
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			end = len(data) - 1
		}
		f.line = append(f.line, data[:end+1]...)
		data = data[end+1:]
		if len(f.line) > longestLine {
			return fmt.Errorf("%w: a line of more than %d bytes", errReply, longestLine)
		}
		if f.line[len(f.line)-1] == '\n' {
			if err := f.header(bytes.TrimRight(f.line, "\r\n")); err != nil {
				return err
			}
			f.line = f.line[:0]
		}
	}
	return nil
}

// header reads one header line: what kind of reply begins and how long it is.
func (f *frame) header(line []byte) error {
	if len(line) == 0 {
		return fmt.Errorf("%w: an empty line", errReply)
	}
	f.took()
	switch line[0] {
	case '+', '-', ':', '_':
		return nil
	case '$':
		n, err := length(line[1:], longestString)
		if err == nil && n >= 0 {
			f.skip = n + len("\r\n")
		}
		return err
	case '*':
		n, err := length(line[1:], longestArray)
		if err == nil && n > 0 {
			f.open = append(f.open, n)
		}
		if len(f.open) > deepestReply {
			return fmt.Errorf("%w: arrays nested deeper than %d", errReply, deepestReply)
		}
		return err
	}
	return fmt.Errorf("%w: it begins with %q", errReply, line[:1])
}

// took counts one element of the innermost open array, and closes the arrays
// that are complete.
func (f *frame) took() {
	for last := len(f.open) - 1; last >= 0 && f.open[last] == 0; last-- {
		f.open = f.open[:last]
	}
	if last := len(f.open) - 1; last >= 0 {
		f.open[last]--
	}
}

func length(digits []byte, most int) (int, error) {
	n, err := strconv.Atoi(string(digits))
	if err != nil || n < -1 || n > most {
		return 0, fmt.Errorf("%w: a length of %q, at most %d is accepted", errReply, clip(string(digits)), most)
	}
	return n, nil
}
