#!lua flags=allow-oom
-- Forgets a client that ended. 2: there is none; 1: it is gone now.
-- KEYS  the client
-- ARGV  before
local client = redis.call('HMGET', KEYS[1], 'v', 'e')
if not client[1] then return 2 end
if client[2] and tonumber(client[2]) < tonumber(ARGV[1]) then return redis.call('DEL', KEYS[1]) end
return 0
