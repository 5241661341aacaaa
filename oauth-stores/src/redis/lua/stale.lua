#!lua flags=no-writes,allow-cross-slot-keys
-- Looks at the next indexes, all on this server. Where the walk goes on, and those that have an entry of what is over.
-- ARGV  where it stands, the keys' pattern, how many to look at, before
local step = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
local before, stale = tonumber(ARGV[4]), {}
for _, key in ipairs(step[2]) do
  local first = redis.pcall('ZRANGE', key, 0, 0, 'WITHSCORES')
  -- What cannot be read here, while its slot is being moved, is asked for by its name.
  if first.err or (first[2] and tonumber(first[2]) < before) then stale[#stale + 1] = key end
end
return { step[1], stale }
