################################################################################
# What can be wrong with an entry of tasks.tf, in words
#
# A map of objects would silently drop a key that its type does not know, so the entries
# are left untyped and are checked here. The preconditions in tasks.tf show the result.
################################################################################

locals {
  task_keys    = ["command", "cpu", "env", "execution_role", "memory", "sidecars", "task_role"]
  env_keys     = ["name", "value", "valueFrom"]
  sidecar_keys = ["command", "cpu", "env", "essential", "image", "memory", "name"]

  reserved_env = distinct(concat(
    flatten([for entries in values(local.every_task) : entries[*].name]),
    ["TASK_AUTHOR"],
  ))

  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
  fargate_memory = {
    "256"   = [512, 1024, 2048]
    "512"   = range(1024, 4097, 1024)
    "1024"  = range(2048, 8193, 1024)
    "2048"  = range(4096, 16385, 1024)
    "4096"  = range(8192, 30721, 1024)
    "8192"  = range(16384, 61441, 4096)
    "16384" = range(32768, 122881, 8192)
  }

  # A task's env and its sidecars' are checked alike; `where` is how a message names them.
  env_lists = {
    for name, task in local.tasks : name => concat(
      [{ where = "env", entries = flatten([try(task.env, [])]) }],
      [for index, sidecar in try(task.sidecars, []) : {
        where   = "env of sidecar ${try(sidecar.name, index)}"
        entries = flatten([try(sidecar.env, [])])
      }],
    )
  }

  env_mistakes = {
    for name, lists in local.env_lists : name => flatten([
      for list in lists : concat(
        [for index, entry in list.entries : concat(
          [for key in setsubtract(keys(entry), local.env_keys) :
          "${list.where}: entry \"${try(entry.name, index)}\" has the unknown key \"${key}\" (known: ${join(", ", local.env_keys)})"],
          can(entry.name) ? [] : ["${list.where}: entry ${index} has no name"],
          (try(entry.value, null) == null) == (try(entry.valueFrom, null) == null)
          ? ["${list.where}: entry \"${try(entry.name, index)}\" needs either value or valueFrom"] : [],
          contains(local.reserved_env, try(entry.name, ""))
          ? ["${list.where}: ${entry.name} is set for every task and cannot be set here"] : [],
        )],
        [for key, entries in { for entry in list.entries : try(entry.name, "") => entry... } :
        "${list.where}: ${key} is there ${length(entries)} times" if length(entries) > 1],
      )
    ])
  }

  sidecar_mistakes = {
    for name, task in local.tasks : name => flatten([
      for index, sidecar in try(task.sidecars, []) : concat(
        [for key in setsubtract(keys(sidecar), local.sidecar_keys) :
        "sidecar ${try(sidecar.name, index)} has the unknown key \"${key}\" (known: ${join(", ", local.sidecar_keys)})"],
        [for key in ["name", "image"] : "sidecar ${try(sidecar.name, index)} has no ${key}" if !can(sidecar[key])],
        try(sidecar.name, "") == name ? ["sidecar ${name} has the name of the task's own container"] : [],
      )
    ])
  }

  task_mistakes = {
    for name, task in local.tasks : name => concat(
      [for key in setsubtract(keys(task), local.task_keys) :
      "unknown key \"${key}\" (known: ${join(", ", local.task_keys)})"],
      can(regex("^[a-z][a-z0-9-]*[a-z0-9]$", name)) && length(name) <= 40
      ? [] : ["a task's name is lower case letters, digits and hyphens, 40 at most"],
      startswith(name, "isolated-")
      ? ["names that begin with isolated- are for trying work in isolation"] : [],
      try(length(task.command), 0) > 0 ? [] : ["command is missing"],
      contains(
        try(local.fargate_memory[tostring(try(task.cpu, local.default_cpu))], []),
        try(tonumber(try(task.memory, local.default_memory)), -1),
      ) ? [] : ["Fargate has no cpu ${try(task.cpu, local.default_cpu)} with memory ${try(task.memory, local.default_memory)}"],
      local.env_mistakes[name],
      local.sidecar_mistakes[name],
    )
  }
}
