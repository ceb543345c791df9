// Package serve is the daemon's face on the network: health, metrics, status and
// webhooks. It changes nothing and decides nothing; all a request from outside
// can do is to have the source looked at sooner.
package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Pages are what is served.
type Pages struct {
	// Alive says why the daemon should be restarted, Ready why it does not do
	// its work yet; nil is well.
	Alive, Ready func() error
	Status       func() any   // written as JSON
	Metrics      http.Handler // in the text format of Prometheus
	Hooks        Hooks
}

// Handler routes requests to the pages.
func (p Pages) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", answer(p.Alive))
	mux.HandleFunc("GET /readyz", answer(p.Ready))
	mux.Handle("GET /metrics", p.Metrics)
	mux.HandleFunc("GET /api/v1/status", p.status)
	for name := range signatures {
		mux.HandleFunc("POST /hooks/"+name, p.Hooks.serve(name))
	}
	return mux
}

// answer is 200 when all is well, else 503 with the reason.
func answer(ask func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := ask(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}

func (p Pages) status(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(p.Status()) // a reader that went away
}

// The limits of a request, against readers and writers that take for ever.
const (
	headerTime  = 10 * time.Second
	requestTime = 30 * time.Second
	answerTime  = time.Minute
	headerBytes = 32 << 10
)

func server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime,
		IdleTimeout: answerTime, MaxHeaderBytes: headerBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// lastWords is how long requests under way have when the process ends. They take
// milliseconds; a connection that was opened in advance and never used counts as
// one for five seconds (net/http.Server.Shutdown).
const lastWords = 250 * time.Millisecond

// Start listens at addr until stop is called, which waits a moment for requests
// under way.
func Start(addr string, h http.Handler, log *slog.Logger) (at net.Addr, stop func(), err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("listen at %s: %w", addr, err)
	}
	s := server(h, log)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("nothing is served any more", "error", err)
		}
	}()
	return l.Addr(), func() {
		ctx, cancel := context.WithTimeout(context.Background(), lastWords)
		defer cancel()
		if s.Shutdown(ctx) != nil {
			_ = s.Close() // those that did not end in time
		}
		<-ended
	}, nil
}
