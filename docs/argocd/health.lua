-- Health of every kind of Backstay for Argo CD, by the conditions of kstatus. README.md beside it says where to put it.
local health = { status = "Progressing", message = "Waiting for the operator" }
if obj.status == nil or obj.status.conditions == nil then
  return health
end
-- What is said of an older spec says nothing of this one.
if obj.status.observedGeneration ~= nil and obj.metadata.generation ~= nil
    and obj.status.observedGeneration < obj.metadata.generation then
  return health
end

local found = {}
for _, condition in ipairs(obj.status.conditions) do
  found[condition.type] = condition
end
local ready = found["Ready"]
local stalled = found["Stalled"]
if ready == nil then
  return health
end
health.message = ready.reason .. ": " .. ready.message

if ready.reason == "Suspended" then
  health.status = "Suspended"
elseif stalled ~= nil and stalled.status == "True" then
  health.status = "Degraded"
  health.message = stalled.reason .. ": " .. stalled.message
elseif ready.status == "True" then
  health.status = "Healthy"
elseif ready.status == "False" and obj.kind == "BackupPolicy" then
  -- It will be tried again, but until then nothing new is protected.
  health.status = "Degraded"
else
  health.status = "Progressing"
end
return health
