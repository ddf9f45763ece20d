/**
 * The scripts that read and write one partition in one step. Its Redis keys are the index, a sorted set of the record's keys in
 * their order; the ends, a sorted set of the keys of records that end, by their last millisecond; and one string for each record: its
 * revision, a line end, its value. Redis deletes a record at its end, and a script takes it out of the index.
 */

/** Takes ended records out of the index. */
const CLEAN = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. string.format('%d', now))
for from = 1, #ended, 500 do
  local some = {unpack(ended, from, math.min(from + 499, #ended))}
  redis.call('ZREM', KEYS[1], unpack(some))
  redis.call('ZREM', KEYS[2], unpack(some))
end
`

/** Gives index and ends the last end of their records, unless one has no end. */
const LIMIT = `
local all, ending = redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2])
if ending < all then
  redis.call('PERSIST', KEYS[1])
  redis.call('PERSIST', KEYS[2])
elseif all > 0 then
  local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')[2]
  redis.call('PEXPIREAT', KEYS[1], last)
  redis.call('PEXPIREAT', KEYS[2], last)
end
`

/** KEYS: index, ends, the record of each change. ARGV, for each change: key, expected revision or '', last millisecond or '', '1' for a new value, the value. Returns 1, or 0 when nothing was changed. */
export const WRITE = `
local revisions, news = {}, {}
for i = 1, #KEYS - 2 do
  local at, record = i * 5 - 4, KEYS[i + 2]
  local revision = revisions[record] or tonumber(string.match(redis.call('GETRANGE', record, 0, 15), '^%d+')) or 0
  if ARGV[at + 1] ~= '' and tonumber(ARGV[at + 1]) ~= revision then return 0 end
  news[i] = ARGV[at + 3] == '1' and revision + 1 or 0
  revisions[record] = news[i]
end
for i = 1, #KEYS - 2 do
  local at, record = i * 5 - 4, KEYS[i + 2]
  local key, last = ARGV[at], ARGV[at + 2]
  if news[i] == 0 then
    redis.call('DEL', record)
    redis.call('ZREM', KEYS[1], key)
    redis.call('ZREM', KEYS[2], key)
  else
    redis.call('SET', record, news[i] .. '\\n' .. ARGV[at + 4])
    redis.call('ZADD', KEYS[1], 0, key)
    if last == '' then
      redis.call('ZREM', KEYS[2], key)
    else
      redis.call('PEXPIREAT', record, last)
      redis.call('ZADD', KEYS[2], last, key)
    end
  end
end
${CLEAN}${LIMIT}
return 1
`

/** KEYS: index, ends, the beginning of each record's key. ARGV: the bounds, where to begin first; 'up' or 'down'; the most records; the most bytes. Returns 1 when there is more, then keys and records. */
export const LIST = `
${CLEAN}
local found = redis.call(ARGV[3] == 'up' and 'ZRANGEBYLEX' or 'ZREVRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[4])
local listed, bytes = {0}, 0
for i, key in ipairs(found) do
  local record = redis.call('GET', KEYS[3] .. key)
  if record then
    listed[#listed + 1] = key
    listed[#listed + 1] = record
    bytes = bytes + #record
    if bytes > tonumber(ARGV[5]) and i < #found then
      listed[1] = 1
      return listed
    end
  end
end
if #found == tonumber(ARGV[4]) then listed[1] = 1 end
return listed
`

/** KEYS: as of LIST. */
export const DROP = `
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('UNLINK', KEYS[3] .. key) end
redis.call('DEL', KEYS[1], KEYS[2])
`

/** KEYS: index, ends. Returns the number of records. */
export const COUNT = `
${CLEAN}
return redis.call('ZCARD', KEYS[1])
`
