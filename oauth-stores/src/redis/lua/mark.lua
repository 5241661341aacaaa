#!lua flags=allow-oom
-- Writes something, so that `WAIT` on this connection is about all that was written before.
-- KEYS  the mark
-- ARGV  its lifetime in ms
return redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
