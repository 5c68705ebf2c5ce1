"""A container starts from what the registry holds now, or fails in ECS's words.

Gap: MiniStack runs an image from Docker's local cache, so a tag that was never pushed runs; every
failure reads "ResourceInitializationError: unable to pull image or start container"; the digest
that ran is not told; a missing log group loses the output without a word.

AWS: an image is always resolved in the registry, and containers[].imageDigest names the manifest
that ran. Failures are CannotPullContainerError with "pull image manifest has been retried 1
time(s): failed to resolve ref IMAGE: IMAGE: not found", CannotCreateContainerError,
CannotStartContainerError ("failed to create new container runtime task: ...", see
aws/amazon-ecs-agent#3526) or ResourceInitializationError ("failed to validate logger args").
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html

Here: the tag is resolved to a digest by the Docker Engine, the digest is pulled, and the container
is created and started in two steps, so that each has its own words. A container that could not be
started is removed. A platform that the image does not have is an error, no reason to run another.

Instead of: `ecs._run_docker_container`.
"""

import logging

from ministack.services import ecs

from . import awslogs, keys, leftovers, settings
from .hooks import replaces, uses

logger = logging.getLogger("sandbox.start")

uses(
    "ministack.services.ecs",
    "_ImagePullError",
    "_iso",
    "_tasks",
    "_task_is_active",
    "_awslogs_config",
    "_ensure_awslogs_stream",
    "_image_repository",
)


class TaskStartError(Exception):
    """The task cannot start; the text is the whole reason, in ECS's words."""


class TaskStoppedWhileStarting(Exception):
    """StopTask arrived before the container was created, so it is not created any more."""


@replaces("ministack.services.ecs", "_run_docker_container")
def run_docker_container(
    docker_client,
    cdef,
    run_kwargs,
    *,
    refresh_image=False,
    allow_cached=True,
    cache_image=None,
    fallback_image=None,
    auth_config=None,
):
    task_arn = run_kwargs["labels"]["com.amazonaws.ecs.task-arn"]
    task = ecs._tasks.get(task_arn) or {}
    platform = run_kwargs.pop("platform", None)
    auth_config = auth_config or own_login(cdef["image"])
    try:
        digest = resolve(docker_client, cdef["image"], platform, auth_config)
        reference = f"{ecs._image_repository(cdef['image'])}@{digest}"
        pull(docker_client, reference, platform, auth_config)
    finally:
        task["pullStoppedAt"] = ecs._iso()
    for container in task.get("containers", []):
        if container["name"] == cdef["name"]:
            container["imageDigest"] = digest
    require_log_group(cdef)
    if not ecs._task_is_active(task_arn, task):
        raise TaskStoppedWhileStarting(task_arn)
    return create_and_start(docker_client, reference, platform, run_kwargs)


def own_login(image):
    """Our own registry knows us; no other one gets its password."""
    is_ours = image.startswith(f"{settings.registry_host()}/")
    return keys.get().registry_login() if is_ours else None


def resolve(docker_client, image, platform, auth_config):
    """The digest that the registry has for `image`."""
    from docker.errors import APIError

    try:
        data = docker_client.images.get_registry_data(image, auth_config=auth_config)
    except APIError as error:
        raise ecs._ImagePullError(unresolved(image, error)) from error
    available = [
        f"{each.get('os')}/{each.get('architecture')}" for each in data.attrs.get("Platforms") or []
    ]
    if platform and available and platform not in available:
        raise ecs._ImagePullError(
            "pull image manifest has been retried 1 time(s): image Manifest does not contain "
            f"descriptor matching platform '{platform}'"
        )
    return data.id


def unresolved(image, error):
    explanation = str(error.explanation or error)
    missing = any(
        word in explanation
        for word in (
            "manifest unknown",
            "not found",
            "name unknown",
            "repository name not known",
            "does not exist",
        )
    )
    why = "not found" if missing else explanation
    return (
        "pull image manifest has been retried 1 time(s): "
        f"failed to resolve ref {image}: {image}: {why}"
    )


def pull(docker_client, reference, platform, auth_config):
    from docker.errors import APIError

    options = {"platform": platform} if platform else {}
    if auth_config:
        options["auth_config"] = auth_config
    try:
        docker_client.images.pull(reference, **options)
    except APIError as error:
        raise ecs._ImagePullError(
            f"ref pull has been retried 1 time(s): failed to copy: {error.explanation or error}"
        ) from error
    leftovers.remember_pulled_image(docker_client, reference)


def require_log_group(cdef):
    """AWS refuses a task whose log group is missing; it does not run it unseen."""
    config = ecs._awslogs_config(cdef, "", "")
    if config and not awslogs.group_exists(config):
        raise TaskStartError(
            "ResourceInitializationError: failed to validate logger args: create stream has been "
            "retried 1 times: failed to create Cloudwatch log stream: "
            "ResourceNotFoundException: The specified log group does not exist. : exit status 1"
        )


def create_and_start(docker_client, reference, platform, run_kwargs):
    options = {key: value for key, value in run_kwargs.items() if key != "detach"}
    if platform:
        options["platform"] = platform
    try:
        container = docker_client.containers.create(reference, **options)
    except Exception as error:
        raise TaskStartError(f"CannotCreateContainerError: {explain(error)}") from error
    try:
        container.start()
    except Exception as error:
        remove(container)
        raise TaskStartError(
            "CannotStartContainerError: ResourceInitializationError: failed to create new "
            f"container runtime task: {explain(error)}"
        ) from error
    return container


def explain(error):
    return getattr(error, "explanation", None) or str(error)


def remove(container):
    try:
        container.remove(force=True, v=True)
    except Exception as error:
        logger.warning("container %s was not removed: %s", container.id, error)
