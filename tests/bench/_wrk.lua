-- Arguments after "--": method, path, body. "{n}" in them becomes a number from 1 to 1000.

local method, path, body

local function numbered(text)
  return (string.gsub(text, "{n}", function() return tostring(math.random(1000)) end))
end

local function changing()
  return wrk.format(method, numbered(path), nil, numbered(body))
end

function init(args)
  method, path, body = args[1], args[2], args[3] or ""
  if body ~= "" then
    wrk.headers["Content-Type"] = "application/json"
  end
  if string.find(path .. body, "{n}", 1, true) then
    request = changing
  else
    local same = wrk.format(method, path, nil, body ~= "" and body or nil)
    request = function() return same end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "errors": '
      .. '{"status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d}}\n',
    summary.requests, summary.duration / 1e6,
    errors.status, errors.connect, errors.read, errors.write, errors.timeout
  ))
end
