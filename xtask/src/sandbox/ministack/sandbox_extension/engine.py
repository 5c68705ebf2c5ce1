"""What runs the containers of tasks: a Docker Engine, or this machine's own processes.

Gap: MiniStack needs a Docker Engine to run a task; without one it marks tasks as running and runs
nothing.

Here: with `SANDBOX_ENGINE=process` MiniStack gets the client of `process_engine`, which has the
verbs of docker-py that are used, and containers are told addresses of the machine's own network.

Instead of: `ecs._get_docker`, `ecs._register_metadata`, `app._reaper_docker_client`.
"""

import os
import sys

from . import gate, settings
from .hooks import replaces

DOCKER, PROCESS = "docker", "process"

_engine = None


def kind():
    return os.environ.get("SANDBOX_ENGINE") or DOCKER


def prepare():
    """Make the process engine if it is wanted; the sandbox's folder must be locked by then."""
    global _engine
    if kind() not in (DOCKER, PROCESS):
        sys.exit(f"error: SANDBOX_ENGINE is {kind()}; known are {DOCKER} and {PROCESS}")
    if kind() == PROCESS:
        if not sys.platform.startswith("linux"):
            sys.exit(
                "error: the process engine runs Linux programs, so it needs Linux; "
                "install Docker for the docker engine"
            )
        from .process_engine.client import Engine

        _engine = Engine(os.path.join(settings.state_dir(), "engine"))
        print(f"engine: {_engine.describe()}")


def close():
    if _engine:
        _engine.close()


@replaces("ministack.services.ecs", "_get_docker")
def get_docker():
    return _engine or get_docker.stock()


@replaces("ministack.app", "_reaper_docker_client")
def reaper_docker_client():
    # MiniStack would look for its containers in a Docker Engine that this sandbox does not use.
    return _engine or reaper_docker_client.stock()


@replaces("ministack.services.ecs", "_register_metadata")
def register_metadata(
    task_arn, cluster_arn, td, cdef, launch_type, env, host_mode, ministack_net_ip
):
    token = register_metadata.stock(
        task_arn,
        cluster_arn,
        td,
        cdef,
        launch_type,
        env,
        host_mode or _engine is not None,
        ministack_net_ip,
    )
    gate.remember_container(env)
    return token
