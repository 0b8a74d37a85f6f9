#!lua flags=allow-oom
-- KEYS deadlines, overdue, then per session: lease, want   ARGV worker, ttl_ms, keep_ms, then per session: id, epoch
-- per session {what, number}: what = held | run | stop | refresh (number: generation) | lost (number: the higher epoch)
local worker, ttl, keep = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local t = redis.call('TIME')
local deadline = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000) + ttl)
local answers = {}
for i = 1, (#KEYS - 2) / 2 do
  local lease, want = KEYS[2 * i + 1], KEYS[2 * i + 2]
  local session, epoch = ARGV[2 * i + 2], ARGV[2 * i + 3]
  local member = session .. '/' .. epoch
  local held = redis.call('HMGET', lease, 'e', 'w')
  local wanted = redis.call('HMGET', want, 'f', 'e', 'd', 'g')
  local mine = held[1] == epoch and held[2] == worker
  local lost = nil
  if held[1] and not mine and tonumber(held[1]) >= tonumber(epoch) then
    lost = held[1]
  end
  if wanted[1] and tonumber(wanted[1]) > tonumber(lost or epoch) then
    lost = wanted[1]
  end
  if lost then
    if mine then
      redis.call('DEL', lease)
    end
    if not held[1] or mine or held[1] ~= epoch then
      redis.call('ZREM', KEYS[1], member)
      redis.call('HDEL', KEYS[2], member)
    end
    answers[i] = {'lost', lost}
  else
    if held[1] and held[1] ~= epoch then
      redis.call('ZREM', KEYS[1], session .. '/' .. held[1])
      redis.call('HDEL', KEYS[2], session .. '/' .. held[1])
    end
    if not mine then
      redis.call('HSET', lease, 'e', epoch, 'w', worker)
    end
    redis.call('PEXPIRE', lease, ttl)
    redis.call('ZADD', KEYS[1], deadline, member)
    redis.call('HDEL', KEYS[2], member)
    if wanted[1] ~= epoch then
      redis.call('HSET', want, 'f', epoch)
    end
    redis.call('PEXPIRE', want, keep)
    if wanted[2] == epoch then
      answers[i] = {wanted[3], wanted[4] or '0'}
    else
      answers[i] = {'held', '0'}
    end
  end
end
return answers
