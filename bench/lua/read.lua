-- GETs of random samples, prepared before the first is sent.

local requests, count

function init()
  math.randomseed(1000 + thread_number)
  requests = {}
  for _, sample in ipairs(samples()) do requests[#requests + 1] = head("GET", path_of(sample)) end
  count = #requests
end

function request()
  return requests[math.random(count)]
end
