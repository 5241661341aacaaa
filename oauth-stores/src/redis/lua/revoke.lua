#!lua flags=allow-oom
-- Revokes a grant, if it is that subject's and that client's. 1: it was live and is not any more. Runs when memory is full, too.
-- KEYS  the grant
-- ARGV  now, subject or nothing, client or nothing
local grant = redis.call('HMGET', KEYS[1], 'r', 'e', 'su', 'c')
if not grant[2] or grant[1] then return 0 end
if ARGV[2] ~= '' and ARGV[2] ~= grant[3] then return 0 end
if ARGV[3] ~= '' and ARGV[3] ~= grant[4] then return 0 end
redis.call('HSET', KEYS[1], 'r', ARGV[1])
if tonumber(ARGV[1]) < tonumber(grant[2]) then return 1 end
return 0
