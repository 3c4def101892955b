package taskbus

import "strings"

// keys makes the names of everything the bus keeps in Redis. A queue itself is
// a list under its bare name, as machinery's other clients expect; the rest
// carries the prefix.
type keys struct{ prefix string }

// registry is a sorted set of "<worker>|<queue>", scored by the last beat.
func (k keys) registry() string { return k.prefix + "bus:workers" }

// beat exists while the worker with this instance name is alive.
func (k keys) beat(instance string) string { return k.prefix + "bus:beat:" + instance }

// processing lists what one worker has popped from queue and not yet
// acknowledged, oldest first.
func (k keys) processing(queue, instance string) string {
	return k.prefix + "bus:processing:" + queue + ":" + instance
}

// delayed is the sorted set of messages for later, scored in Unix ms.
func (k keys) delayed(queue string) string { return k.prefix + "bus:delayed:" + queue }

// dead lists what could not be understood, newest first.
func (k keys) dead(queue string) string { return k.prefix + "bus:dead:" + queue }

// deadTotal is a hash from queue to how many messages were ever set aside.
func (k keys) deadTotal() string { return k.prefix + "bus:dead_total" }

func member(instance, queue string) string { return instance + "|" + queue }

func splitMember(m string) (instance, queue string, ok bool) { return strings.Cut(m, "|") }
