// Package redisconf writes lines of redis.conf that the server's own parser
// reads back as they were meant. It knows no directive.
package redisconf

import (
	"fmt"
	"strings"
)

// Line writes one directive. Every argument is quoted the way the server's own
// parser (sdssplitargs) reads it back, so no value can start a second line.
func Line(b *strings.Builder, name string, args ...string) {
	b.WriteString(name)
	for _, arg := range args {
		b.WriteByte(' ')
		b.WriteString(Quote(arg))
	}
	b.WriteByte('\n')
}

// Quote is one argument as the server reads it back.
func Quote(arg string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(arg) {
		switch c := arg[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
