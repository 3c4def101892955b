package taskbus

import (
	"context"
	"sync"

	"github.com/RichardKnop/logging"
	"github.com/RichardKnop/machinery/v2/log"
	"github.com/redis/go-redis/v9"
)

// silenced guards the package-wide loggers of machinery, which print payloads
// to standard output, and of go-redis, which print a line for every refused
// connection. Setting them is not safe beside their use, hence once and first.
// What they would say the bus says itself, through its own logger.
var silenced sync.Once

func silenceLibraries() {
	silenced.Do(func() {
		log.Set(silence{})
		redis.SetLogger(quietRedis{})
	})
}

type quietRedis struct{}

func (quietRedis) Printf(context.Context, string, ...interface{}) {}

type silence struct{}

var _ logging.LoggerInterface = silence{}

func (silence) Print(...interface{})          {}
func (silence) Printf(string, ...interface{}) {}
func (silence) Println(...interface{})        {}
func (silence) Fatal(...interface{})          {}
func (silence) Fatalf(string, ...interface{}) {}
func (silence) Fatalln(...interface{})        {}
func (silence) Panic(...interface{})          {}
func (silence) Panicf(string, ...interface{}) {}
func (silence) Panicln(...interface{})        {}
