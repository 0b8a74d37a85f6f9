#!lua flags=allow-oom
-- KEYS index   ARGV advert prefix, ttl_ms, max   the adverts
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local adverts = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[3]) - 1)) do
  local advert = redis.call('GET', ARGV[1] .. id)
  if advert then
    adverts[#adverts + 1] = advert
  end
end
return adverts
