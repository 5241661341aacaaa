#!lua flags=allow-oom
-- Removes a consent that is still the one that was read. How many.
-- KEYS  the subject's consents
-- ARGV  the client, the record
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
