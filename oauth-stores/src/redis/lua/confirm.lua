#!lua
-- Gives a record the lifetime that it is to have. 1: it has it now, 0: it was confirmed before, -1: it is gone.
-- KEYS  the record
-- ARGV  its lifetime in ms, or nothing: for good; the longest that one that is not confirmed has left, in ms
local left = redis.call('PTTL', KEYS[1])
if left == -2 then return -1 end
if left == -1 or left > tonumber(ARGV[2]) then return 0 end
if ARGV[1] == '' then return redis.call('PERSIST', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
