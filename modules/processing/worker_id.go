package processing

import (
	"os"
	"strconv"

	"github.com/google/uuid"
)

// WorkerID names this process among workers.
func WorkerID() string {
	return hostname() + "-" + strconv.Itoa(os.Getpid()) + "-" + uuid.NewString()[:8]
}

func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}
