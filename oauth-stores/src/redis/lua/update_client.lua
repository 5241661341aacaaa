#!lua
-- Replaces a client's record if its version is still the one that was read. The new version and the old fingerprint.
-- KEYS  the client
-- ARGV  the version, its lifetime in ms or nothing: for good, then fields and values
local old = redis.call('HMGET', KEYS[1], 'v', 'f')
if old[1] ~= ARGV[1] then return {} end
redis.call('HDEL', KEYS[1], 'e', 'f')
local values = {}
for i = 3, #ARGV do values[i - 2] = ARGV[i] end
redis.call('HSET', KEYS[1], unpack(values))
local version = redis.call('HINCRBY', KEYS[1], 'v', 1)
if ARGV[2] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return { version, old[2] or '' }
