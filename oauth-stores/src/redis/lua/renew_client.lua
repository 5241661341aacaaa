#!lua
-- Marks a client as used and moves its end, never back. Whether it was used before, its fingerprint, and whether its end was
-- moved (then with the lifetime that it has now, in ms).
-- KEYS  the client
-- ARGV  until
local client = redis.call('HMGET', KEYS[1], 'v', 'u', 'e', 'f')
if not client[1] then return {} end
if client[2] ~= '1' then redis.call('HSET', KEYS[1], 'u', '1') end
local moved = 0
if client[3] and tonumber(client[3]) < tonumber(ARGV[1]) then
  -- As much longer as its end is later: nobody's clock is asked.
  local left = redis.call('PTTL', KEYS[1]) + tonumber(ARGV[1]) - tonumber(client[3])
  moved = string.format('%.0f', math.min(left, 3155760000000))
  redis.call('HSET', KEYS[1], 'e', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], moved)
end
return { client[2], client[4] or '', moved }
