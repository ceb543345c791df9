package gitsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// pipe speaks git's upload-pack protocol, version 0, over the standard input
// and output of a git-upload-pack that runs elsewhere
// (https://git-scm.com/docs/pack-protocol). Whoever makes a pipe sees to it
// that reads and writes fail when the context ends.
type pipe struct {
	in     io.WriteCloser
	out    io.Reader
	stderr *tail
	asked  bool
	end    func() error
}

// AdvertisedReferencesContext reads the list of references.
func (p *pipe) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	ar := packp.NewAdvRefs()
	err := ar.Decode(p.out)
	switch {
	case errors.Is(err, packp.ErrEmptyAdvRefs) || err == nil && ar.IsEmpty():
		return nil, transport.ErrEmptyRemoteRepository
	case err != nil:
		return nil, p.explain(err)
	}
	transport.FilterUnsupportedCapabilities(ar.Capabilities)
	return ar, nil
}

// UploadPack sends the request and reads up to where the pack begins.
func (p *pipe) UploadPack(_ context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	p.asked = true
	if err := req.UploadRequest.Encode(p.in); err != nil {
		return nil, p.explain(err)
	}
	if err := pktline.NewEncoder(p.in).EncodeString("done\n"); err != nil {
		return nil, p.explain(err)
	}
	res := packp.NewUploadPackResponse(req)
	if err := res.Decode(io.NopCloser(p.out)); err != nil {
		return nil, p.explain(err)
	}
	return res, nil
}

// Close says goodbye when nothing was asked for, so that the other end exits
// cleanly, and ends the conversation. What the other end thinks of it by then
// changes nothing for us.
func (p *pipe) Close() error {
	if !p.asked {
		_ = pktline.NewEncoder(p.in).Flush()
	}
	_ = p.in.Close()
	return p.end()
}

// explain adds what the other end said on its standard error.
func (p *pipe) explain(err error) error {
	if said := p.stderr.String(); said != "" {
		return fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// tail keeps the first bytes written to it and drops the rest.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const tailBytes = 1 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p[:min(len(p), tailBytes-len(t.kept))]...)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.kept))
}
