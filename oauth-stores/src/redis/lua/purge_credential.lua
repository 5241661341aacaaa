#!lua flags=allow-oom
-- Forgets a credential that expired, or whose grant is over or gone, and its reply. How many credentials.
-- KEYS  the grant, the credential, its reply
-- ARGV  before
local grant = redis.call('HMGET', KEYS[1], 'e', 'r')
local ends = redis.call('HGET', KEYS[2], 'e')
local before = tonumber(ARGV[1])
if not ends then return 0 end
if tonumber(ends) >= before and grant[1] and tonumber(grant[1]) >= before and not (grant[2] and tonumber(grant[2]) < before) then
  return 0
end
redis.call('DEL', KEYS[3])
return redis.call('DEL', KEYS[2])
