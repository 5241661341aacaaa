#!lua
-- Replaces a key's record by another, if it is still the one that was read. 0: it is not.
-- KEYS  the keys
-- ARGV  the id, the record that was read, the other
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
