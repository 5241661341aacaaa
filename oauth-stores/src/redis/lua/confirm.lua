#!lua
-- Gives a record the lifetime that it is to have, never less than it has. 1: it has it, -1: it is gone.
-- KEYS  the record
-- ARGV  nothing: for good; or until its own end, if it says one: now, the longest in ms, how much longer than that in ms
local left = redis.call('PTTL', KEYS[1])
if left == -2 then return -1 end
local ends = ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'e')
if not ends then
  redis.call('PERSIST', KEYS[1])
  return 1
end
local life = math.min(math.max(tonumber(ends) - tonumber(ARGV[1]), 0), tonumber(ARGV[2])) + tonumber(ARGV[3])
-- How much it has says nothing of whether it was confirmed: a renewal may have added to a minute.
if left >= 0 and left < life then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', life)) end
return 1
