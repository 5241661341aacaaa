#!lua
-- Keeps a consent in its subject's hash, which lives as long as the longest of them.
-- KEYS  the subject's consents
-- ARGV  the client, the record, its lifetime in ms
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 1
