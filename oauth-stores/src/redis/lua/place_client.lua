#!lua
-- Moves a client's entries to where it ends, never back, and strikes it out of the unused once it is used. Adds none: it may be removed
-- meanwhile. Whether it has an entry.
-- KEYS  all clients, those by document, the unused
-- ARGV  the client, when it ends, 1 if it is used, 1 if it had no end before
for i = 1, 3 do
  if i == 3 and ARGV[3] == '1' then
    redis.call('ZREM', KEYS[i], ARGV[1])
  elseif ARGV[4] == '1' then
    redis.call('ZADD', KEYS[i], 'XX', ARGV[2], ARGV[1])
  else
    redis.call('ZADD', KEYS[i], 'XX', 'GT', ARGV[2], ARGV[1])
  end
end
return redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0
