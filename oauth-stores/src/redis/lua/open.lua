#!lua
-- Opens a grant with its first credentials: all, or nothing if any is taken.
-- KEYS  the grant, then its credentials
-- ARGV  for each key: its lifetime in ms, how many values, then fields and values
if redis.call('EXISTS', unpack(KEYS)) > 0 then return 0 end
local at = 1
for i = 1, #KEYS do
  local values = {}
  for j = 1, tonumber(ARGV[at + 1]) do values[j] = ARGV[at + 1 + j] end
  redis.call('HSET', KEYS[i], unpack(values))
  redis.call('PEXPIRE', KEYS[i], ARGV[at])
  at = at + 2 + #values
end
return 1
