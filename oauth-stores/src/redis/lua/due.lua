#!lua flags=no-writes,allow-cross-slot-keys
-- Looks at the next keys of the ledger, all on this server. Where the walk goes on, and the keys about which something is over.
-- ARGV  where it stands, the keys' pattern, how many to look at, before
local step = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
local before, due = tonumber(ARGV[4]), {}
local function over(ends) return ends and tonumber(ends) < before end
for _, key in ipairs(step[2]) do
  local grant = string.match(key, '^[^}]*}')
  local rest = string.sub(key, #grant + 1)
  if rest == '' then
    local state = redis.pcall('HMGET', key, 'e', 'r', 'x')
    -- What cannot be read here, while its slot is being moved, is asked for by its name.
    if state.err or over(state[1]) or over(state[2]) or over(state[3]) then due[#due + 1] = key end
  elseif string.sub(rest, 1, 3) == ':c:' then
    local state, above = redis.pcall('HMGET', key, 'e'), redis.pcall('HMGET', grant, 'e', 'r')
    if state.err or above.err or over(state[1]) or not above[1] or over(above[1]) or over(above[2]) then due[#due + 1] = key end
  end
end
return { step[1], due }
