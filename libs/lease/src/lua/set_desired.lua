#!lua flags=allow-oom
-- KEYS want   ARGV epoch, desired, generation, keep_ms   1 applied | 0 something later is already there
local epoch, desired, generation = ARGV[1], ARGV[2], ARGV[3]
local now = redis.call('HMGET', KEYS[1], 'f', 'e', 'd', 'g')
if not now[1] or tonumber(now[1]) < tonumber(epoch) then
  redis.call('HSET', KEYS[1], 'f', epoch)
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if now[2] and tonumber(now[2]) > tonumber(epoch) then
  return 0
end
-- Within an epoch: run, then refreshes in order, then stop. Nothing goes back.
if now[2] == epoch then
  if now[3] == 'stop' or (now[3] == 'refresh' and desired == 'run') then
    return 0
  end
  if now[3] == 'refresh' and desired == 'refresh' and tonumber(now[4]) >= tonumber(generation) then
    return 0
  end
end
redis.call('HSET', KEYS[1], 'e', epoch, 'd', desired, 'g', generation)
return 1
