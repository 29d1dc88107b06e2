-- Updates of random samples: a new number and a new meta each time.

local heads, count, counter

function init()
  math.randomseed(2000 + thread_number)
  counter = 0
  local body = string.format('{"msisdn":"4478%08d","meta":{"NAME":"Name %08d","CITY":"Paris"}}', 0, 0)
  heads = {}
  for _, sample in ipairs(samples()) do heads[#heads + 1] = head("POST", path_of(sample), #body) end
  count = #heads
end

function request()
  counter = counter + 1
  local number = (counter * 7919 + thread_number * 104729) % 100000000
  return heads[math.random(count)]
    .. string.format('{"msisdn":"4478%08d","meta":{"NAME":"Name %08d","CITY":"Paris"}}', number, counter)
end
