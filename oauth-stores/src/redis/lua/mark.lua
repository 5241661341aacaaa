#!lua flags=allow-oom
-- Writes something, so that `WAIT` on this connection is about all that was written before. Its key is not named as one, and what the server says
-- of it is no error: while the slot is being moved it may be refused here, and the write before it was not.
-- ARGV  the mark, its lifetime in ms
local marked = redis.pcall('SET', ARGV[1], '', 'PX', ARGV[2])
return marked.err and 0 or 1
