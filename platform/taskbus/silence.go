package taskbus

import (
	"sync"

	"github.com/RichardKnop/logging"
	"github.com/RichardKnop/machinery/v2/log"
)

// silenced guards machinery's package-wide loggers: they print payloads to
// standard output, and setting them is not safe beside their use. What they
// would say the bus says itself, through its own logger.
var silenced sync.Once

func silenceMachinery() { silenced.Do(func() { log.Set(silence{}) }) }

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
