#!lua
-- Gives a claim of an owner at least this lifetime.
-- KEYS  the name
-- ARGV  the owner, ms
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left < tonumber(ARGV[2]) and redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
