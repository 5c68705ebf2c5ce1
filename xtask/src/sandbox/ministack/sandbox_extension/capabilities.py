"""Every capability, in the order in which wrappers of the same function are put around each other."""

from . import leftovers  # noqa: I001 (the label comes before the options of a container)
from . import container_options
from . import (awslogs, registry, run_task, secure_string, start_container, stop_task, task_end,
               timestamps)

__all__ = ["awslogs", "container_options", "leftovers", "registry", "run_task", "secure_string",
           "start_container", "stop_task", "task_end", "timestamps"]


def start():
    """What has to happen once, after all replacements are in place and before the first request."""
    from ministack.services import ecs
    docker_client = ecs._get_docker()
    if docker_client is None:
        import logging
        logging.getLogger("sandbox").warning("no Docker Engine was found: tasks cannot run")
    leftovers.sweep(docker_client)
