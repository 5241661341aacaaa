#!lua
-- Adds a key to those of its purpose. 0: its id is taken, or there are keys and it was to be the first.
-- KEYS  the keys, how many there ever were
-- ARGV  the id, the record, 'first' or nothing
if ARGV[3] == 'first' and redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
local number = redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', number) .. ' ' .. ARGV[2])
return 1
