#!lua flags=no-writes
-- Members of an index and when they end, in that order, from the one after another on.
-- KEYS  the index
-- ARGV  when that other one ends, the other one or nothing, how many at most
local function comes_before_or_is(one, other)
  -- Byte by byte, as the index is ordered: Lua's own comparison depends on the server's language.
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a < b end
  end
  return #one <= #other
end
local from = 0
if ARGV[2] ~= '' then
  local rank = redis.call('ZRANK', KEYS[1], ARGV[2])
  if rank then
    from = rank + 1
  else
    -- It was struck out meanwhile: past those that end earlier, or at the same time and stand before it.
    from = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[1])
    local last = redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[1])
    while from < last do
      local member = redis.call('ZRANGE', KEYS[1], from, from)[1]
      if not comes_before_or_is(member, ARGV[2]) then break end
      from = from + 1
    end
  end
end
return redis.call('ZRANGE', KEYS[1], from, from + tonumber(ARGV[3]) - 1, 'WITHSCORES')
