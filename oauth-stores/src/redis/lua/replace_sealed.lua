#!lua
-- Keeps something in place of what was read, if that is still there. 0: it is not.
-- KEYS  where it is kept
-- ARGV  what was read, what to keep
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
