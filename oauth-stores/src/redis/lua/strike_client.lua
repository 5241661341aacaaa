#!lua flags=allow-oom
-- Strikes a client out of its indexes, of all or of none: a purge finds by the first of them what a removal that died has left.
-- KEYS  all clients, the unused, those by document
-- ARGV  the client
local struck = 0
for i = 1, 3 do struck = struck + redis.call('ZREM', KEYS[i], ARGV[1]) end
return struck
