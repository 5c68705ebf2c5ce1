"""How the Docker Engine is found and reached.

Gap: docker-py knows DOCKER_HOST and /var/run/docker.sock, but not the contexts of the docker
command, by which Docker Desktop, Colima and OrbStack name their sockets. And it keeps one
connection pool per request address, at most 25, and closes the oldest even while it is in use: with
many tasks at once a pull failed with "'NoneType' object has no attribute 'qsize'".

Here: DOCKER_HOST is filled in from the current context, and the number of pools is not limited.
"""

import json
import os
import shutil
import subprocess

from .hooks import uses

DEFAULT_SOCKET = "/var/run/docker.sock"

uses("docker.api.client", "DEFAULT_NUM_POOLS")


def prepare():
    """Runs before MiniStack is imported and before the first client is made."""
    import docker.api.client

    docker.api.client.DEFAULT_NUM_POOLS = 10_000
    if not os.environ.get("DOCKER_HOST"):
        host = _host_of_the_current_context()
        if host:
            os.environ["DOCKER_HOST"] = host


def _host_of_the_current_context():
    if not shutil.which("docker"):
        return None
    try:
        answer = subprocess.run(
            ["docker", "context", "inspect"],
            capture_output=True,
            timeout=10,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        host = json.loads(answer.stdout)[0]["Endpoints"]["docker"]["Host"]
    except (OSError, subprocess.SubprocessError, ValueError, LookupError):
        return None
    return None if host == f"unix://{DEFAULT_SOCKET}" else host
