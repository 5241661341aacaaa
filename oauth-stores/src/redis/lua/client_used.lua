#!lua
-- Strikes a client out of those that were never used, and moves its end.
-- KEYS  all clients, the unused
-- ARGV  the client, when it ends
redis.call('ZADD', KEYS[1], 'XX', 'GT', ARGV[2], ARGV[1])
return redis.call('ZREM', KEYS[2], ARGV[1])
