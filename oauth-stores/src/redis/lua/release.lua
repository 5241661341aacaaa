#!lua flags=allow-oom
-- Removes a key whose value is still the one that was read. How many.
-- KEYS  the key
-- ARGV  the value
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
