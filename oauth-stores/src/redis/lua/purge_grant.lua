#!lua flags=allow-oom
-- Forgets a grant that ended, or whose credentials all did. What it says of itself, if it is gone now.
-- KEYS  the grant
-- ARGV  before
local grant = redis.call('HMGET', KEYS[1], 'e', 'r', 'x', 'su', 'c')
local before = tonumber(ARGV[1])
if not grant[1] then return {} end
if tonumber(grant[1]) < before or (grant[2] and tonumber(grant[2]) < before) or (grant[3] and tonumber(grant[3]) < before) then
  redis.call('DEL', KEYS[1])
  return { grant[4], grant[5] }
end
return {}
