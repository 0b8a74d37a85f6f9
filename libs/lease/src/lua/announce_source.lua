#!lua flags=allow-oom
-- KEYS source   ARGV source epoch, location, ttl_ms   1 announced | 0 a later publish is announced
local there = redis.call('HGET', KEYS[1], 'e')
if there and tonumber(there) > tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'e', ARGV[1], 'l', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
