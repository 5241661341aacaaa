#!lua
-- Gives a record the lifetime that it is to have. 0: it is gone, or was confirmed before.
-- KEYS  the record
-- ARGV  its lifetime in ms, or nothing: for good; the longest that one that is not confirmed has left, in ms
local left = redis.call('PTTL', KEYS[1])
if left < 0 or left > tonumber(ARGV[2]) then return 0 end
if ARGV[1] == '' then return redis.call('PERSIST', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
