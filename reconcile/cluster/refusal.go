package cluster

// BadConfig is the error of a platform whose server refuses to start with its new
// configuration. It runs again with the one it had.
type BadConfig struct {
	Words string // the server's, and where they are from
	Retry string // what lets the platform try the same configuration again
}

func (b BadConfig) Error() string { return "it does not start with its new configuration: " + b.Words }
