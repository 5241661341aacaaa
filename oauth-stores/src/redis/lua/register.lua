#!lua
-- Writes a new client's record, for a moment: until it is confirmed. 0: the id is taken.
-- KEYS  the client
-- ARGV  its lifetime in ms until then, then fields and values
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local values = {}
for i = 2, #ARGV do values[i - 1] = ARGV[i] end
redis.call('HSET', KEYS[1], unpack(values))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
