#!lua flags=allow-oom
-- KEYS lease, deadlines, overdue   ARGV session, epoch, worker   1 it was ours | 0
local held = redis.call('HMGET', KEYS[1], 'e', 'w')
if held[1] ~= ARGV[2] or held[2] ~= ARGV[3] then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1] .. '/' .. ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[1] .. '/' .. ARGV[2])
return 1
