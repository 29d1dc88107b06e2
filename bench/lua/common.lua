-- What every script begins and ends with: the head of a request, and one line
-- of figures that the driver reads.

local token = os.getenv("BENCH_TOKEN")
local fixed_path = os.getenv("BENCH_PATH")
local path_prefix = os.getenv("BENCH_PREFIX")
local nonce = os.getenv("BENCH_NONCE")
local threads = 0

-- The first part of each alias that a thread makes; wrk's threads share nothing.
function alias_prefix()
  return nonce .. "-" .. thread_number .. "-"
end

-- Scatters a counter over the numbers below a power of two: multiplied by the
-- golden ratio (Knuth), and by what keeps the threads apart.
function spread(counter, below)
  return (counter * 2654435761 + thread_number * 40503 * 65537) % below
end

function setup(thread)
  threads = threads + 1
  thread:set("thread_number", threads)
end

-- The path of one sample; the baseline answers all of them under one.
function path_of(sample)
  return fixed_path or (path_prefix .. sample)
end

function head(method, path, body_bytes)
  local lines = method .. " " .. path .. " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " .. token .. "\r\n"
  if body_bytes then
    lines = lines .. "Content-Type: application/json\r\nContent-Length: " .. body_bytes .. "\r\n"
  end
  return lines .. "\r\n"
end

-- The lines of the file of samples, or one empty line where there is none.
function samples()
  local path = os.getenv("BENCH_SAMPLES")
  if not path then return { "" } end
  local lines = {}
  for line in io.lines(path) do lines[#lines + 1] = line end
  return lines
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "RESULT requests=%d duration_us=%d p50_us=%d p99_us=%d p999_us=%d socket_errors=%d refused=%d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
