-- What wrk sends. Arguments after the `--`:
--   read PATHS        GET the paths of a file in turn
--   reserve TOKENS FIRST_BOOK BOOKS STRIDE START SHIFT PREFIX
--                     POST reservations: request number i, from START on, asks for the (i * STRIDE mod BOOKS)-th book
--                     behind FIRST_BOOK, for the (i + SHIFT)-th of the readers in TOKENS (lines of "id token"), under
--                     the key PREFIX-i
--   post FILE START PREFIX TOKEN
--                     POST what a file says in turn, from line START on: lines of "path body", in which # becomes
--                     PREFIX-i, the request's key; each from an address of its own, by TOKEN unless that is -
-- Prints the result as its last line, in JSON; times are microseconds.

local main_thread
local requests, readers, tokens = {}, {}, {}
local first_book, books, stride, shift, prefix
index = 0

local function next_reservation()
  local round = math.floor(index / books)
  local reader = (index + shift + round * 13) % #tokens + 1
  local body = string.format('{"book_id":%d}', first_book + (index * stride) % books)
  local head = string.format(
    "POST /api/reservations/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nX-Reader: %s\r\n" ..
    "Idempotency-Key: %s-%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
    tokens[reader], readers[reader], prefix, index, #body)
  index = index + 1
  return head .. body
end

local function next_path()
  index = index + 1
  return requests[index % #requests + 1]
end

local function next_post()
  local name = prefix .. "-" .. index
  local body = requests[index % #requests + 1].body:gsub("#", name)
  local head = string.format(
    "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%sX-Forwarded-For: 10.%d.%d.%d\r\nIdempotency-Key: %s\r\n" ..
    "Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
    requests[index % #requests + 1].path, tokens[1] or "",
    math.floor(index / 65536) % 256, math.floor(index / 256) % 256, index % 256, name, #body)
  index = index + 1
  return head .. body
end

function setup(thread)
  main_thread = thread
end

function init(args)
  if args[1] == "read" then
    for path in io.lines(args[2]) do
      requests[#requests + 1] = "GET " .. path .. " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n"
    end
    request = next_path
    return
  end
  if args[1] == "post" then
    for line in io.lines(args[2]) do
      local path, body = line:match("(%S+) (.*)")
      requests[#requests + 1] = { path = path, body = body }
    end
    index, prefix = tonumber(args[3]), args[4]
    if args[5] ~= "-" then tokens[1] = "Authorization: Bearer " .. args[5] .. "\r\n" end
    request = next_post
    return
  end
  for line in io.lines(args[2]) do
    local reader, token = line:match("(%d+) (%S+)")
    readers[#readers + 1] = reader
    tokens[#tokens + 1] = token
  end
  first_book, books, stride = tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
  index, shift, prefix = tonumber(args[6]), tonumber(args[7]), args[8]
  request = next_reservation
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration":%d,"refused":%d,"broken":%d,"p50":%d,"p99":%d,"index":%d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), main_thread:get("index")))
end
