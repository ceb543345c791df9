package live

import (
	"crypto/tls"
	"strings"
	"testing"
)

func TestWhoExpectsTLSOrPlainTextWronglyIsToldSo(t *testing.T) {
	secure := Access{TLS: &tls.Config{MinVersion: tls.VersionTLS12}}
	for name, test := range map[string]struct {
		hangUp bool
		access Access
		want   string
	}{
		"a handshake that nobody answers":   {false, secure, "the TLS handshake is not answered"},
		"a handshake answered by hangup":    {true, secure, "the TLS handshake is not answered"},
		"plain text that is answered so":    {true, Access{}, "hangs up like this on plain text"},
		"plain text that nobody answers to": {false, Access{}, "timed out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			view := askOne(t, answering(t, "", test.hangUp), test.access)
			if !strings.Contains(view.Trouble, test.want) {
				t.Errorf("trouble %q, want %q", view.Trouble, test.want)
			}
		})
	}
}
