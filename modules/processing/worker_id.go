package processing

import (
	"os"
	"strconv"

	"github.com/google/uuid"
)

// WorkerID names this process among workers.
func WorkerID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "-" + strconv.Itoa(os.Getpid()) + "-" + uuid.NewString()[:8]
}
