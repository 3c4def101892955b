package taskbus

import "github.com/redis/go-redis/v9"

// scripts are the steps that must happen wholly or not at all. They use the
// clock of Redis, so that workers with different clocks agree.
type scripts struct {
	pop, beat, reap, giveBack, restore, due, bury *redis.Script
}

func newScripts() scripts {
	return scripts{
		// KEYS queue, processing, queue, processing, … : the first message
		// found, moved, as {1-based number of the queue, message}.
		pop: redis.NewScript(`
for i = 1, #KEYS, 2 do
  local m = redis.call('LMOVE', KEYS[i], KEYS[i+1], 'LEFT', 'RIGHT')
  if m then return {(i + 1) / 2, m} end
end
return false`),

		// KEYS beat, registry; ARGV ttl in ms, members…
		beat: redis.NewScript(`
local now = redis.call('TIME')[1]
redis.call('SET', KEYS[1], now, 'PX', ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[2], now, ARGV[i]) end
return 1`),

		// KEYS beat, processing, queue, registry; ARGV member, seconds to
		// remember a dead worker for. A worker frozen just before its pop may
		// still add a message, hence the memory.
		reap: redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local n = 0
while n < 1000 do
  if not redis.call('LMOVE', KEYS[2], KEYS[3], 'RIGHT', 'LEFT') then break end
  n = n + 1
end
if n == 0 then
  local seen = redis.call('ZSCORE', KEYS[4], ARGV[1])
  local now = tonumber(redis.call('TIME')[1])
  if seen and tonumber(seen) < now - tonumber(ARGV[2]) then redis.call('ZREM', KEYS[4], ARGV[1]) end
end
return n`),

		// KEYS processing, queue: everything back to the head, in order.
		giveBack: redis.NewScript(`
local n = 0
while redis.call('LMOVE', KEYS[1], KEYS[2], 'RIGHT', 'LEFT') do n = n + 1 end
return n`),

		// KEYS processing, queue; ARGV message: one message back to the head.
		restore: redis.NewScript(`
if redis.call('LREM', KEYS[1], -1, ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[1])
return 1`),

		// KEYS delayed, queue; ARGV batch: what is due, oldest first.
		due: redis.NewScript(`
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local ms = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', now), 'LIMIT', 0, ARGV[1])
for _, m in ipairs(ms) do
  redis.call('ZREM', KEYS[1], m)
  redis.call('RPUSH', KEYS[2], m)
end
return #ms`),

		// KEYS processing, dead, totals; ARGV message, entry, cap, queue.
		bury: redis.NewScript(`
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[2])
redis.call('LTRIM', KEYS[2], 0, ARGV[3] - 1)
redis.call('HINCRBY', KEYS[3], ARGV[4], 1)
return 1`),
	}
}
