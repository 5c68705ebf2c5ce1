"""Nothing is left behind: containers and images of an earlier sandbox go when the next one starts.

Gap: MiniStack labels its containers with the address that it serves on. After a kill -9, the next
start on another port leaves them running for ever. Images that were pulled by digest stay in
Docker as untagged images, one for every run of every build.

Here: every container also carries the folder of its sandbox. The folder is locked while it runs,
so whatever carries it when the next one starts has lost its owner and is removed. Pulled images are
written down in the folder; the last few of each repository are kept, the others and, at the end,
all of them are removed. Images that somebody tagged are not touched.

Instead of: `ecs._build_run_kwargs`, for the label; container_options.py adds what else it lacks.
"""

import fcntl
import logging
import os
import sys
import threading
import time

from . import settings
from .hooks import replaces

logger = logging.getLogger("sandbox.leftovers")

LABEL = "sandbox.state-dir"
KEPT_IMAGES = 3
_images_lock = threading.Lock()


def lock_state_dir():
    """Hold the sandbox's folder for as long as the returned file stays open."""
    os.makedirs(settings.state_dir(), exist_ok=True)
    path = os.path.join(settings.state_dir(), "ministack.lock")
    file = open(path, "a+")
    # A sandbox that is just being stopped needs a moment.
    for _attempt in range(50):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.1)
            continue
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file
    file.seek(0)
    sys.exit(
        f"error: a sandbox with the folder {settings.state_dir()} is running already, "
        f"as process {file.read() or 'unknown'}"
    )


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
    kwargs["labels"][LABEL] = settings.state_dir()
    return kwargs


def sweep(docker_client):
    """Remove the containers and images that an earlier sandbox of this folder left."""
    from ministack.core import container_reaper

    if docker_client is None:
        return
    found = docker_client.containers.list(
        all=True, sparse=True, filters={"label": f"{LABEL}={settings.state_dir()}"}
    )
    removed = container_reaper.drop_containers(found, stop_timeout=0, force=True)
    if removed:
        logger.info("removed %d container(s) of an earlier sandbox", removed)
    remove_pulled_images(docker_client)


def _images_file():
    return os.path.join(settings.state_dir(), "pulled-images")


def _read_images():
    try:
        with open(_images_file()) as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def _write_images(references):
    with open(_images_file(), "w") as file:
        file.writelines(f"{reference}\n" for reference in references)


def remember_pulled_image(docker_client, reference):
    """Write a pulled image down, and remove those of its repository that are too old to be kept."""
    repository = reference.split("@", 1)[0]
    with _images_lock:
        references = [each for each in _read_images() if each != reference] + [reference]
        same = [each for each in references if each.split("@", 1)[0] == repository]
        too_old = {each for each in same[:-KEPT_IMAGES] if _remove_image(docker_client, each)}
        _write_images(each for each in references if each not in too_old)


def remove_pulled_images(docker_client=None):
    from ministack.services import ecs

    docker_client = docker_client or ecs._get_docker()
    with _images_lock:
        references = _read_images()
        if docker_client and references:
            _write_images(each for each in references if not _remove_image(docker_client, each))


def _remove_image(docker_client, reference):
    """Whether the image is gone; one that a container uses is refused by Docker and stays."""
    try:
        docker_client.images.remove(reference)
    except Exception as error:
        return getattr(error, "status_code", None) == 404
    return True
