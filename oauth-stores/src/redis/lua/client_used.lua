#!lua
-- Strikes a client out of those that were never used, and moves its end in the other indexes.
-- KEYS  all clients, those by document, the unused
-- ARGV  the client, when it ends, 1 if it is known by a document
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
if ARGV[3] == '1' then redis.call('ZADD', KEYS[2], 'GT', ARGV[2], ARGV[1]) end
return redis.call('ZREM', KEYS[3], ARGV[1])
