package gitsync

import "time"

// Trust says what a commit must prove.
type Trust struct{}

func (t Trust) check(Ref) error { return nil }

func (t Trust) verify(commit, time.Time) (string, error) { return "", nil }
