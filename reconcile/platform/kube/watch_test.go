package kube

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

func TestAnAPIServerThatIsBackIsNews(t *testing.T) {
	var refused atomic.Int32
	var back atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !back.Load():
			refused.Add(1)
			w.WriteHeader(http.StatusInternalServerError)
		case r.URL.Query().Get("watch") != "":
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}`)
		}
	}))
	defer server.Close()
	client, err := connect(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(load(t, "plain"), client)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()

	news := p.Changed()
	for end := time.Now().Add(time.Minute); refused.Load() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody looks at the pods")
		}
	}
	select {
	case <-news:
		t.Error("a refusal is no news")
	default:
	}
	back.Store(true)
	select {
	case <-news:
	case <-time.After(time.Minute):
		t.Error("nobody is told that the API server is back")
	}
}
