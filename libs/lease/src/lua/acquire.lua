#!lua flags=allow-oom
-- KEYS lease, want, deadlines, overdue   ARGV session, epoch, worker, ttl_ms, keep_ms
-- {0} acquired | {1, epoch, worker} held | {2, floor} superseded
local session, epoch, worker, ttl, keep = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local floor = redis.call('HGET', KEYS[2], 'f')
if floor and tonumber(floor) > tonumber(epoch) then
  return {2, floor, ''}
end
local held = redis.call('HMGET', KEYS[1], 'e', 'w')
if held[1] and held[1] ~= epoch then
  if tonumber(held[1]) > tonumber(epoch) then
    return {1, held[1], held[2]}
  end
  redis.call('ZREM', KEYS[3], session .. '/' .. held[1])
  redis.call('HDEL', KEYS[4], session .. '/' .. held[1])
elseif held[1] and held[2] ~= worker then
  return {1, held[1], held[2]}
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', KEYS[1], 'e', epoch, 'w', worker)
redis.call('PEXPIRE', KEYS[1], ttl)
redis.call('ZADD', KEYS[3], string.format('%.0f', now + ttl), session .. '/' .. epoch)
redis.call('HDEL', KEYS[4], session .. '/' .. epoch)
redis.call('HSET', KEYS[2], 'f', epoch)
redis.call('PEXPIRE', KEYS[2], keep)
return {0, epoch, worker}
