"""Every capability, in the order in which wrappers of the same function surround each other."""

import logging

from . import (
    awslogs,
    container_options,
    engine,
    filter_log_events,
    harmless,
    leftovers,
    log_lines,
    registry,
    rule_targets,
    run_task,
    schedules,
    secure_string,
    start_container,
    stop_task,
    task_end,
    task_events,
    timestamps,
    trailers,
)

__all__ = [
    "awslogs",
    "container_options",
    "engine",
    "filter_log_events",
    "harmless",
    "leftovers",
    "log_lines",
    "registry",
    "rule_targets",
    "run_task",
    "schedules",
    "secure_string",
    "start_container",
    "stop_task",
    "task_end",
    "task_events",
    "timestamps",
    "trailers",
]


def start():
    """What has to happen once, after all replacements are in place and before the first request."""
    import ministack.app  # noqa: F401
    from ministack.services import ecs

    log_lines.keep()
    docker_client = ecs._get_docker()
    if docker_client is None:
        logging.getLogger("sandbox").warning("no Docker Engine was found: tasks cannot run")
    leftovers.sweep(docker_client)
    rule_targets.look_every_second()
    task_events.start()
