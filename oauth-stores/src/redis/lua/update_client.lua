#!lua
-- Replaces a client's record if its version is still the one that was read. What was renewed meanwhile stays: used is used, and of two
-- ends the later one counts.
-- The new version, the old fingerprint, how long the record lives now in ms or -1: for good, and whether it had no end before.
-- KEYS  the client
-- ARGV  the version, its lifetime in ms or nothing: for good, then fields and values
local old = redis.call('HMGET', KEYS[1], 'v', 'f', 'u', 'e')
if old[1] ~= ARGV[1] then return {} end
redis.call('HDEL', KEYS[1], 'e', 'f')
local values = {}
for i = 3, #ARGV do values[i - 2] = ARGV[i] end
redis.call('HSET', KEYS[1], unpack(values))
if old[3] == '1' then redis.call('HSET', KEYS[1], 'u', '1') end
local version = redis.call('HINCRBY', KEYS[1], 'v', 1)
local life = -1
if ARGV[2] == '' then
  redis.call('PERSIST', KEYS[1])
else
  life = tonumber(ARGV[2])
  if old[4] then
    if tonumber(old[4]) > tonumber(redis.call('HGET', KEYS[1], 'e')) then redis.call('HSET', KEYS[1], 'e', old[4]) end
    life = math.max(life, redis.call('PTTL', KEYS[1]))
  end
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', life))
end
return { version, old[2] or '', string.format('%.0f', life), old[4] and 0 or 1 }
