#!lua
-- Spends a credential and stores what it bought, or says why not. Everything is judged before the first write: a script is
-- not rolled back.
-- KEYS  the grant, the credential, its reply, what is issued …; the successor of an earlier exchange, if ARGV[7] names one
-- ARGV  1 now  2 grace in ms  3 the request's hash  4 the reply, as it is kept  5 the reply's lifetime in ms  6 how many are
--       issued  7 that successor's hash, or nothing  8 when the last of what is issued ends; then for each issued: its
--       lifetime in ms, scopes, resources, how many values, then fields and values
local grant = redis.call('HMGET', KEYS[1], 'sc', 're', 'r', 'x')
local spent = redis.call('HMGET', KEYS[2], 'k', 's')
if not grant[1] or grant[3] or not spent[1] then return { 'GONE' } end

if spent[2] then
  local reply = redis.call('GET', KEYS[3])
  local apart = math.abs(tonumber(ARGV[1]) - tonumber(spent[2]))
  if reply and apart < tonumber(ARGV[2]) and string.sub(reply, 1, 32) == ARGV[3] then
    local successor = string.sub(reply, 33, 75)
    if string.sub(successor, 1, 1) == '.' then return { 'RETRIED', reply } end
    -- Only what is named as a key may be looked at: the caller asks again and names it.
    if successor ~= ARGV[7] then return { 'WHOSE', successor } end
    local state = redis.call('HMGET', KEYS[#KEYS], 'k', 's')
    -- A successor that is gone may have been spent: in doubt, no retry.
    if state[1] and not state[2] then return { 'RETRIED', reply } end
  end
  redis.call('HSET', KEYS[1], 'r', ARGV[1])
  return { 'REPLAYED' }
end

local issued = tonumber(ARGV[6])
for i = 4, 3 + issued do
  if redis.call('EXISTS', KEYS[i]) == 1 then return { 'CONFLICT' } end
end

redis.call('HSET', KEYS[2], 's', ARGV[1])
-- Without grace there is no retry, and nothing to keep for one.
if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[5]) end
if not grant[4] or tonumber(grant[4]) < tonumber(ARGV[8]) then redis.call('HSET', KEYS[1], 'x', ARGV[8]) end
local at = 9
for i = 4, 3 + issued do
  local values = {}
  local count = tonumber(ARGV[at + 3])
  for j = 1, count do values[j] = ARGV[at + 3 + j] end
  -- Scopes and resources are written where they are not the grant's.
  if ARGV[at + 1] ~= grant[1] then
    values[#values + 1] = 'sc'
    values[#values + 1] = ARGV[at + 1]
  end
  if ARGV[at + 2] ~= grant[2] then
    values[#values + 1] = 're'
    values[#values + 1] = ARGV[at + 2]
  end
  redis.call('HSET', KEYS[i], unpack(values))
  redis.call('PEXPIRE', KEYS[i], ARGV[at])
  at = at + 4 + count
end
return { 'DONE' }
