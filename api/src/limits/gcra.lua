-- One request against one bucket: the generic cell rate algorithm, as governor does it in one process.
-- KEYS[1] the bucket; it holds when it will be empty again, microseconds since 1970 by Redis' own clock.
-- ARGV[1] microseconds until one request has flowed back; ARGV[2] requests that may come at once.
-- Gives 0 if the request is granted, or the microseconds after which the next one would be. All or nothing: scripts are atomic.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local empty_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + interval
local wait = empty_at - interval * burst - now
if wait > 0 then
    return math.ceil(wait)
end
redis.call('SET', KEYS[1], string.format('%.0f', empty_at), 'PX', math.ceil((empty_at - now) / 1000))
return 0
