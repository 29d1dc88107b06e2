-- Creates, each with an alias that no other run uses, spread over the book as
-- names are. Counters have a fixed width, so that the head is prepared once.

local before, rest, counter

function init()
  counter = 0
  rest = '%08x-' .. alias_prefix() .. '%08d","msisdn":"4479%08d","meta":{"NAME":"Name %08d","CITY":"London"}}'
  local body = '{"alias":"user-' .. string.format(rest, 0, 0, 0, 0)
  before = head("POST", path_of(""), #body) .. '{"alias":"user-'
end

function request()
  counter = counter + 1
  local number = (counter * 7919 + thread_number * 104729) % 100000000
  return before .. string.format(rest, spread(counter, 4294967296), counter, number, counter)
end
