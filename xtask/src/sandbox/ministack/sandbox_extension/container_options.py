"""A container gets the limits, the entry point, the user and the folder of its task definition.

Gap: MiniStack passes neither memory limits nor entryPoint, user, workingDirectory,
readonlyRootFilesystem and initProcessEnabled to Docker.

AWS: a container's `memory` is its hard limit and the task's `memory` the limit of the whole task;
both can be overridden by RunTask.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html

Here: the smaller of both limits, for each container (the task's memory is thus not shared), without
swap. Docker allows no less than 6 MB. The log driver is named, so that the settings of this
machine's Docker neither rotate the log away nor send it elsewhere before it is forwarded. CPU is
not limited: a task may be faster than on AWS.

Instead of: `ecs._build_run_kwargs`.
"""

from ministack.services import ecs

from .hooks import replaces, uses

MEBIBYTE = 1024 * 1024
DOCKER_MINIMUM = 6

uses("ministack.services.ecs", "_tasks", "_container_override_for")


@replaces("ministack.services.ecs", "_build_run_kwargs")
def build_run_kwargs(
    cdef,
    td,
    env,
    port_bindings,
    ecs_network,
    host_mode,
    task_id,
    task_arn,
    ministack_net_ip,
    cluster_arn,
):
    kwargs = build_run_kwargs.stock(
        cdef,
        td,
        env,
        port_bindings,
        ecs_network,
        host_mode,
        task_id,
        task_arn,
        ministack_net_ip,
        cluster_arn,
    )
    overrides = (ecs._tasks.get(task_arn) or {}).get("overrides") or {}
    limit = memory_limit(cdef, td, overrides)
    if limit:
        kwargs["mem_limit"] = kwargs["memswap_limit"] = limit * MEBIBYTE
    if cdef.get("entryPoint"):
        kwargs["entrypoint"] = cdef["entryPoint"]
    if cdef.get("user"):
        kwargs["user"] = cdef["user"]
    if cdef.get("workingDirectory"):
        kwargs["working_dir"] = cdef["workingDirectory"]
    if cdef.get("readonlyRootFilesystem"):
        kwargs["read_only"] = True
    if (cdef.get("linuxParameters") or {}).get("initProcessEnabled"):
        kwargs["init"] = True
    kwargs["log_config"] = {
        "Type": "json-file",
        "Config": {"max-size": "64g", "max-file": "1", "compress": "false"},
    }
    return kwargs


def memory_limit(cdef, td, overrides):
    """In MiB, or None where neither the container nor the task has a limit."""
    override = ecs._container_override_for(overrides.get("containerOverrides", []), cdef["name"])
    container = override.get("memory") or cdef.get("memory")
    task = overrides.get("memory") or td.get("memory")
    limits = [int(each) for each in (container, task) if each]
    return max(min(limits), DOCKER_MINIMUM) if limits else None
