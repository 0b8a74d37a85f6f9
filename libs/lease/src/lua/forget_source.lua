#!lua flags=allow-oom
-- KEYS source   ARGV source epoch   1 forgotten | 0 it was not this one
if redis.call('HGET', KEYS[1], 'e') ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
