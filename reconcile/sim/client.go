package sim

import "fmt"

// Set writes a key as a client does: it asks the first server that answers and
// follows MOVED and ASK.
func (w *World) Set(key, value string) error {
	_, err := w.follow16("SET", key, value)
	return err
}

// Get reads a key as a client does; false when there is none.
func (w *World) Get(key string) (string, bool, error) {
	v, err := w.follow16("GET", key)
	if err != nil || v == nil {
		return "", false, err
	}
	return v.(string), true, nil
}

func (w *World) follow16(args ...string) (any, error) {
	addr, ask := w.anyMember(), false
	for range 16 {
		c := w.Open(addr)
		if ask {
			if _, err := c.Do("ASKING"); err != nil {
				return nil, err
			}
		}
		v, err := c.Do(args...)
		c.Close()
		if err == nil {
			return v, nil
		}
		if addr, ask = target(err); addr == "" {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s %s: too many redirections", args[0], args[1])
}

// anyMember is the first answering server that knows who owns slots.
func (w *World) anyMember() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.servers {
		if s.answers() && !s.hidden && s.owned > 0 {
			return s.addr
		}
	}
	return ""
}
