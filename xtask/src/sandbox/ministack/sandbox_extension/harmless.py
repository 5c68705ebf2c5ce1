"""A task definition that reaches into this machine is refused.

Gap: MiniStack mounts any folder of the machine, and passes `privileged`, capabilities, and the
machine's network and processes on to Docker: whoever may register a task is root.

AWS: Fargate refuses the same, with ClientException when the definition is registered.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html

Here: so does the sandbox, whatever the launch type. The exact words of AWS are not known. What
came into a definition past RegisterTaskDefinition does not reach Docker either. A port that is
mapped is one of 127.0.0.1: Docker would let the whole network in.

Instead of: `ecs._register_task_definition`, `ecs._build_run_kwargs`.
"""

from ministack.core.responses import error_response_json

from .hooks import replaces

# Fargate's.
ALLOWED_CAPABILITIES = {"SYS_PTRACE"}
HARMLESS = {"privileged": False}
LOOPBACK = "127.0.0.1"
DROPPED = ("volumes", "cap_add", "pid_mode", "network_mode", "devices", "ipc_mode")


def problem(definition):
    """What reaches into this machine, or None. The members may be in either spelling."""
    definition = lowered(definition)
    if definition.get("networkmode") == "host":
        return "networkMode host"
    for mode in ("pidmode", "ipcmode"):
        if definition.get(mode) == "host":
            return f"{mode[:3]}Mode host"
    for volume in listed(definition.get("volumes")):
        host = lowered(volume.get("host"))
        if host.get("sourcepath") or volume.get("dockervolumeconfiguration"):
            return f"the volume {volume.get('name')} of this machine"
    for container in listed(definition.get("containerdefinitions")):
        found = problem_of_container(container)
        if found:
            return f"{found} for the container {container.get('name')}"
    return None


def problem_of_container(container):
    if container.get("privileged"):
        return "privileged"
    linux = lowered(container.get("linuxparameters"))
    if linux.get("devices"):
        return "devices"
    added = lowered(linux.get("capabilities")).get("add") or []
    refused = sorted({str(each) for each in added} - ALLOWED_CAPABILITIES)
    return f"the capability {refused[0]}" if refused else None


def listed(value):
    return [lowered(each) for each in value] if isinstance(value, list) else []


def lowered(value):
    """MiniStack reads `Privileged` as it does `privileged`."""
    return {str(k).lower(): v for k, v in value.items()} if isinstance(value, dict) else {}


@replaces("ministack.services.ecs", "_register_task_definition")
def register_task_definition(data):
    found = problem(data)
    if found:
        return error_response_json(
            "ClientException",
            f"The sandbox runs no task with {found}, and neither does Fargate.",
            400,
        )
    return register_task_definition.stock(data)


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
        False,
        task_id,
        task_arn,
        ministack_net_ip,
        cluster_arn,
    )
    added = kwargs.pop("cap_add", [])
    for name in DROPPED:
        kwargs.pop(name, None)
    ports = {inside: (LOOPBACK, port) for inside, port in (kwargs.pop("ports", None) or {}).items()}
    allowed = sorted(ALLOWED_CAPABILITIES & set(added))
    return {**kwargs, **HARMLESS, "ports": ports, **({"cap_add": allowed} if allowed else {})}
