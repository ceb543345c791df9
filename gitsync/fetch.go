package gitsync

import (
	"context"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
)

// wish is what is asked of a server.
type wish struct {
	target
	depth  int          // commits of history; 0 is all
	filter packp.Filter // what the server may leave out; ignored by servers that can't
}

// request puts the wish into words that the server said it understands.
func (w wish) request(offered *capability.List) (*packp.UploadPackRequest, error) {
	req := packp.NewUploadPackRequestFromCapabilities(offered)
	req.Wants = w.want
	also := []capability.Capability{capability.NoProgress}
	if w.depth > 0 && offered.Supports(capability.Shallow) {
		req.Depth = packp.DepthCommits(w.depth)
		also = append(also, capability.Shallow)
	}
	if w.filter != "" && offered.Supports(capability.Filter) {
		req.Filter = w.filter
		also = append(also, capability.Filter)
	}
	for _, c := range also {
		if !offered.Supports(c) {
			continue
		}
		if err := req.Capabilities.Set(c); err != nil {
			return nil, fmt.Errorf("ask for %s: %w", c, err)
		}
	}
	return req, req.Validate()
}

// fetch gets what w wants into a pack on disk. The caller closes the pack.
func (c *clone) fetch(ctx context.Context, s session, ar *packp.AdvRefs, w wish, m *meter) (*pack, error) {
	req, err := w.request(ar.Capabilities)
	if err != nil {
		return nil, err
	}
	m.phase(c.Caps.PackBytes, "PackBytes", "the commit's pack")
	res, err := s.UploadPack(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", w.commit, err)
	}
	defer res.Close()
	p, err := spool(ctx, packData(req.Capabilities, res), c.TempDir, c.Caps)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", w.commit, err)
	}
	return p, nil
}

// packData is the pack without the frames it travels in.
func packData(used *capability.List, r io.Reader) io.Reader {
	switch {
	case used.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, r)
	case used.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, r)
	}
	return r
}
