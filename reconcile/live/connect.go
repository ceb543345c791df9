package live

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Access is what it takes to talk to the servers of one cluster. The zero
// value is plain text without a password.
type Access struct {
	Login Login
	TLS   *tls.Config // nil: plain text
}

const (
	dialTimeout = 2 * time.Second
	// shakeTimeout is less than an observation gives a node, so that it tells
	// an unanswered handshake from silence.
	shakeTimeout = 1500 * time.Millisecond
	// commandTimeout bounds a command whose context has no deadline. It is
	// longer than any timeout given to MIGRATE, which goes on in the server
	// when its caller gives up.
	commandTimeout = 90 * time.Second
)

// Connect dials servers with the given access. Each Conn is one connection:
// commands of concurrent callers queue, and what a command sets on the
// connection (SELECT, CLIENT SETNAME) holds for the next one until the
// connection breaks. A broken one is made anew by the next command; no command
// is ever sent twice. Replies are bounded, see bound.go.
func Connect(access Access) Dial {
	return func(addr string) Conn {
		return &wire{addr: addr, secure: access.TLS != nil, client: redis.NewClient(options(addr, access))}
	}
}

func options(addr string, access Access) *redis.Options {
	return &redis.Options{
		Addr:                     addr,
		Dialer:                   dialer(access.TLS),
		Protocol:                 2,
		Username:                 access.Login.Username,
		Password:                 access.Login.Password,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		// A second try could repeat a write whose result is unknown.
		MaxRetries:            -1,
		DialerRetries:         1,
		DialTimeout:           dialTimeout,
		ReadTimeout:           -1, // the context's deadline rules, see wire.limit
		WriteTimeout:          -1,
		ContextTimeoutEnabled: true,
		PoolSize:              1,
		PipelinePoolSize:      -1,
		PoolTimeout:           commandTimeout,
		ConnMaxIdleTime:       -1,
		ReadBufferSize:        16 << 10,
		WriteBufferSize:       8 << 10,
	}
}

func dialer(config *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		plain := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
		conn, err := plain.DialContext(ctx, network, addr)
		if err != nil || config == nil {
			return bounded(conn), err
		}
		secure, err := shake(ctx, conn, addr, config)
		if err != nil {
			_ = conn.Close() // the handshake's error says more
			return nil, err
		}
		return bounded(secure), nil
	}
}

// errHandshake says that a server took the connection and did not speak TLS.
var errHandshake = errors.New("no TLS handshake")

// shake begins TLS on a fresh connection.
func shake(ctx context.Context, conn net.Conn, addr string, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, shakeTimeout)
	defer cancel()
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, trusting(config, host))
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errHandshake, err)
	}
	return secure, nil
}

// wire is a Conn over go-redis.
type wire struct {
	addr   string
	secure bool
	client *redis.Client
}

func (w *wire) Do(ctx context.Context, args ...any) (any, error) {
	ctx, cancel := limit(ctx)
	defer cancel()
	value, err := w.client.Do(ctx, args...).Result()
	return value, w.explain(err)
}

func (w *wire) Pipe(ctx context.Context, cmds [][]any) []Reply {
	ctx, cancel := limit(ctx)
	defer cancel()
	pipe := w.client.Pipeline()
	sent := make([]*redis.Cmd, len(cmds))
	for i, args := range cmds {
		sent[i] = pipe.Do(ctx, args...)
	}
	_, failed := pipe.Exec(ctx)
	replies := make([]Reply, len(cmds))
	for i, cmd := range sent {
		value, err := cmd.Result()
		if err == nil && value == nil {
			// A nil reply is redis.Nil; a command with neither was never
			// answered, as when the login was refused, and must not pass for it.
			err = cmp.Or(failed, errUnanswered)
		}
		replies[i] = Reply{Value: value, Err: w.explain(err)}
	}
	return replies
}

func (w *wire) Close() error {
	if err := w.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return err
	}
	return nil
}

var errUnanswered = errors.New("the command was not answered")

// limit makes sure that no command waits for ever.
func limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, commandTimeout)
}

// explain sorts an error of go-redis: nil replies are no error, refusals are
// ServerErrors, the rest is unknown and says to whom it happened.
func (w *wire) explain(err error) error {
	var refusal redis.Error
	switch {
	case err == nil, errors.Is(err, redis.Nil):
		return nil
	case errors.As(err, &refusal):
		return ServerError(withoutArgs(refusal.Error()))
	case errors.Is(err, errHandshake):
		return fmt.Errorf("%s: %w", w.addr, err)
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return fmt.Errorf("%s did not answer in time: %w", w.addr, context.DeadlineExceeded)
	}
	hint := ""
	switch {
	case hungUp(err) && w.secure:
		hint = " (a server that misses a client certificate, or does not accept it, hangs up like this)"
	case hungUp(err):
		hint = " (a server that speaks TLS hangs up like this on plain text)"
	}
	return fmt.Errorf("%s: %w%s", w.addr, err, hint)
}

// withoutArgs cuts off what a server repeats of a command that it does not know: the
// arguments of MIGRATE begin with a password, and those of CONFIG SET may be one.
func withoutArgs(refusal string) string {
	text, _, _ := strings.Cut(refusal, ", with args beginning with:")
	return text
}

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// refusedLogin is the code of a reply that refuses who asks, not what is
// asked: NOAUTH, WRONGPASS or NOPERM. It is "" for every other error.
func refusedLogin(err error) string {
	var refusal ServerError
	if !errors.As(err, &refusal) {
		return ""
	}
	code, _, _ := strings.Cut(string(refusal), " ")
	switch code {
	case "NOAUTH", "WRONGPASS", "NOPERM":
		return code
	}
	return ""
}

// minds notes that an error tells of a login that is refused, by a server that
// was asked or by one that another sends keys to.
func (c *Cluster) minds(err error) {
	if err == nil {
		return
	}
	if text := err.Error(); strings.Contains(text, "WRONGPASS") || strings.Contains(text, "NOAUTH") {
		c.refused.Store(true)
	}
}

// trouble says for people, in a clause of its own, why a server gave no answer.
func trouble(err error) string {
	switch code := refusedLogin(err); {
	case code == "NOPERM":
		return fmt.Sprintf("a command is refused to this login (%s)", clip(err.Error()))
	case code != "":
		return fmt.Sprintf("the login is refused (%s)", code)
	}
	var unverified *tls.CertificateVerificationError
	var remote *net.OpError
	switch {
	case errors.As(err, &unverified):
		return "its certificate is not trusted: " + clip(unverified.Err.Error())
	case errors.As(err, &remote) && remote.Op == "remote error":
		return "the TLS handshake is refused: " + clip(remote.Err.Error())
	case errors.Is(err, errHandshake):
		return "the TLS handshake is not answered; does it speak TLS, as the topology says?"
	case errors.Is(err, context.DeadlineExceeded):
		return "timed out"
	}
	return clip(err.Error())
}

// clip keeps what a server says from filling a terminal.
func clip(text string) string {
	const longest = 200
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if len(clean) > longest {
		return clean[:longest] + "..."
	}
	return clean
}
