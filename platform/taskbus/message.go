package taskbus

import (
	"errors"
	"fmt"

	"github.com/RichardKnop/machinery/v2/tasks"
	"github.com/go-json-experiment/json"
)

const (
	// MaxMessageBytes is the longest message a worker looks at.
	MaxMessageBytes = 64 << 10
	// MaxIDBytes is the longest id that Send takes and a handler gets.
	MaxIDBytes = 1 << 10
)

// Reasons for which a message is set aside, as the dead list shows them.
var (
	errOversize    = errors.New("oversize")
	errUndecodable = errors.New("undecodable")
	errUnknownTask = errors.New("unknown task")
	errArgument    = errors.New("wrong argument")
)

// message is what was popped, with where it came from.
type message struct {
	queue   string
	payload string
}

// decode turns a message into the call it asks for. Only the name and the one
// argument count: retries, callbacks, groups and times on the wire would make
// machinery do things of its own, so they are dropped.
func decode(payload string, known func(task string) bool) (*tasks.Signature, error) {
	if len(payload) > MaxMessageBytes {
		return nil, fmt.Errorf("%w: %d bytes", errOversize, len(payload))
	}
	var s tasks.Signature
	if err := json.Unmarshal([]byte(payload), &s); err != nil {
		return nil, fmt.Errorf("%w: %w", errUndecodable, err)
	}
	if !known(s.Name) {
		return nil, fmt.Errorf("%w: %.100q", errUnknownTask, s.Name)
	}
	if len(s.Args) != 1 || s.Args[0].Type != "string" {
		return nil, fmt.Errorf("%w: want exactly one string", errArgument)
	}
	id, ok := s.Args[0].Value.(string)
	if !ok || id == "" || len(id) > MaxIDBytes {
		return nil, fmt.Errorf("%w: want a string of 1 to %d bytes", errArgument, MaxIDBytes)
	}
	return &tasks.Signature{UUID: s.UUID, Name: s.Name, RoutingKey: s.RoutingKey, Args: stringArg(id)}, nil
}

func stringArg(s string) []tasks.Arg {
	return []tasks.Arg{{Type: "string", Value: s}}
}
