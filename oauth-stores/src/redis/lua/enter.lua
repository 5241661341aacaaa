#!lua
-- Enters a member into an index and strikes out what is past. 1: it was not there.
-- KEYS  the index
-- ARGV  when the member ends, the member, until when entries are past, the index's lifetime in ms or nothing: for good
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[3])
local added = redis.call('ZADD', KEYS[1], 'NX', ARGV[1], ARGV[2])
if ARGV[4] == '' then
  redis.call('PERSIST', KEYS[1])
elseif redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return added
