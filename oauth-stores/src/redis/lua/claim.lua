#!lua
-- Claims a name for an owner, unless it is another's than the one that is known to be gone. Whose it is.
-- KEYS  the name
-- ARGV  the owner, the one that is gone or nothing, the claim's lifetime in ms or nothing: for good
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] and owner ~= ARGV[2] then return owner end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
end
return ARGV[1]
