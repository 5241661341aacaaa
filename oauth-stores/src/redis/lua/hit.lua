#!lua
-- The generic cell rate algorithm (oauth_core::Quota::admit), with the one number that it needs: when the quota is whole again.
-- How much later than now it would be whole after this event, in ms; more than `per`: it is over the limit and not counted.
-- KEYS  the quota
-- ARGV  now, per and step in ms, lifetime in ms
local now, per, step = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local whole = tonumber(redis.call('GET', KEYS[1]) or ARGV[1])
-- A clock that stepped back must not lock anybody out for longer than the quota's own time.
whole = math.min(math.max(whole, now), now + per)
local after = whole + step - now
if after <= per then whole = whole + step end
redis.call('SET', KEYS[1], string.format('%.0f', whole), 'PX', ARGV[4])
return after
