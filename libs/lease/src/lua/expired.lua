#!lua flags=allow-oom
-- KEYS deadlines, overdue, scan   ARGV ttl_ms, max, gap_ms, reports, keep_ms, lease prefix, want prefix
-- session, epoch, session, epoch, …
local ttl, max, gap, reports = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local last = tonumber(redis.call('GET', KEYS[3]) or '')
redis.call('SET', KEYS[3], string.format('%.0f', now), 'PX', ARGV[5])
local next_deadline = string.format('%.0f', now + ttl)
if not last or now < last or now - last > gap then
  -- Nobody could look, or renew, for a while: this server was stopped, its clock was set, or no orchestrator ran.
  -- Holders get one more TTL to show that they live.
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 10000)) do
    redis.call('ZADD', KEYS[1], next_deadline, member)
  end
  -- After a clock that went back, deadlines of the dead would be far away.
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. next_deadline, '+inf', 'LIMIT', 0, 10000)) do
    redis.call('ZADD', KEYS[1], next_deadline, member)
  end
  return {}
end
local found = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, max)) do
  local session, epoch = string.match(member, '^(.*)/(%d+)$')
  local held = redis.call('HGET', ARGV[6] .. session, 'e')
  local floor = redis.call('HGET', ARGV[7] .. session, 'f')
  local settled = (held and held ~= epoch) or (floor and tonumber(floor) > tonumber(epoch))
  local times = settled and reports or redis.call('HINCRBY', KEYS[2], member, 1)
  if not settled then
    if held then
      redis.call('DEL', ARGV[6] .. session)
    end
    found[#found + 1] = session
    found[#found + 1] = epoch
  end
  if times >= reports then
    redis.call('ZREM', KEYS[1], member)
    redis.call('HDEL', KEYS[2], member)
  else
    redis.call('ZADD', KEYS[1], next_deadline, member)
  end
end
return found
