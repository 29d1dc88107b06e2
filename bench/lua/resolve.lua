-- Resolves of random samples with a text, prepared before the first is sent.

local BODIES = 32
local requests

function init()
  math.randomseed(3000 + thread_number)
  local items = tonumber(os.getenv("BENCH_ITEMS"))
  local lines = samples()
  requests = {}
  for number = 1, BODIES do
    local recipients = {}
    for item = 1, items do recipients[item] = lines[math.random(#lines)] end
    local body = '{"recipients":["' .. table.concat(recipients, '","') .. '"],"text":"Hello {{NAME}} from {{CITY}}"}'
    requests[number] = head("POST", path_of(""), #body) .. body
  end
end

function request()
  return requests[math.random(BODIES)]
end
