"""A task ends as on AWS: every container's own exit code, ECS's words, a full timeline.

Gap: MiniStack polls every container ten times a second, gives all containers the highest exit code,
kills the others after five seconds, knows nothing of memory, and is STOPPED before the containers
are. Docker sometimes reports the death of a container before its lack of memory and then never sets
OOMKilled (3 of 300 tasks).

AWS: the first essential container that ends stops the task ("Essential container in task exited");
the others get SIGTERM and, after their stopTimeout (30 seconds unless told otherwise), SIGKILL.
Each container keeps its own exit code; one that never ran has none. A container over its limit has
the reason "OutOfMemoryError: Container killed due to memory usage" and exit code 137. The task
passes DEACTIVATING, STOPPING and DEPROVISIONING, and has stoppingAt, executionStoppedAt and
stoppedAt.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html

Here: one thread a container waits for its exit, one a task waits for the first essential one.
Without OOMKilled, an exit code 137 that nobody asked for is looked up in Docker's events.

Instead of: `ecs._watch_task_lifecycle`, `ecs._maybe_mark_stopped`, `ecs._run_task_worker`,
`ecs._fail_task_start`, `ecs._mark_task_stopped`, `ecs._cleanup_task_resources`.
"""

import logging
import queue
import threading
import time

from ministack.core.concurrency import resource_lock, spawn_background
from ministack.core.responses import request_scope
from ministack.services import ecs, ecs_metadata

from . import awslogs, task_events
from .hooks import replaces, uses
from .start_container import TaskStartError, TaskStoppedWhileStarting, explain, remove

logger = logging.getLogger("sandbox.task_end")

ESSENTIAL_EXITED = "Essential container in task exited"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
DEFAULT_STOP_TIMEOUT = 30
LOG_DEADLINE = 300

uses(
    "ministack.services.ecs",
    "_bump_task_version",
    "_iso",
    "_recount_cluster",
    "_tasks",
    "_refresh_service_state",
    "_record_service_task_failure",
    "_cluster_name_from_arn",
    "_resolve_td_key",
    "_task_defs",
    "_start_task_worker",
    "_SecretResolutionError",
    "_ImagePullError",
)


@replaces("ministack.services.ecs", "_run_task_worker")
def run_task_worker(task, td, container_overrides, docker_client, account_id, region):
    with request_scope(account_id, region):
        try:
            ecs._start_task_worker(task, td, container_overrides, docker_client)
        except TaskStoppedWhileStarting:
            pass
        except ecs._SecretResolutionError as error:
            ecs._fail_task_start(
                task,
                docker_client,
                (
                    "ResourceInitializationError: unable to pull secrets or registry auth: "
                    f"execution resource retrieval failed: {error}"
                ),
            )
        except ecs._ImagePullError as error:
            ecs._fail_task_start(task, docker_client, f"CannotPullContainerError: {error}")
        except TaskStartError as error:
            ecs._fail_task_start(task, docker_client, str(error))
        except Exception as error:
            logger.exception("task %s did not start", task["taskArn"])
            ecs._fail_task_start(
                task, docker_client, f"ResourceInitializationError: {explain(error)}"
            )
        if task.get("lastStatus") == "RUNNING":
            ecs._watch_task_lifecycle(task, docker_client, account_id, region)
        elif task.get("lastStatus") != "STOPPED" and not task.get("_ecs_resetting"):
            # StopTask came while the task was starting; nobody else ends it.
            end_task(task, docker_client)


@replaces("ministack.services.ecs", "_fail_task_start")
def fail_task_start(task, docker_client, reason):
    begin_to_stop(task, reason, "TaskFailedToStart")
    # ECS tells the reason at the container that failed, too: the first one that never ran.
    for container in task.get("containers", []):
        if container.get("lastStatus") == "PENDING" and reason.startswith("Cannot"):
            container["reason"] = reason[:1024]
            break
    end_task(task, docker_client)


@replaces("ministack.services.ecs", "_watch_task_lifecycle")
def watch_task_lifecycle(task, docker_client, account_id, region):
    spawn_background(
        wait_for_the_end,
        task,
        docker_client,
        thread_name=f"sandbox-task-{task['taskArn'].rsplit('/', 1)[-1][:8]}",
    )
    if task.get("group", "").startswith("service:"):
        # The stock watcher also tells a service that its deployment is steady.
        watch_task_lifecycle.stock(task, docker_client, account_id, region)


@replaces("ministack.services.ecs", "_maybe_mark_stopped")
def maybe_mark_stopped(task, docker_client=None):
    """DescribeTasks and ListTasks only read: the thread that waits for the task writes."""


def wait_for_the_end(task, docker_client):
    """Return when the task is STOPPED."""
    essential = list(task.get("_container_essentials") or [])
    exits = queue.Queue()
    running = set()
    for index, docker_id in enumerate(list(task.get("_docker_ids") or [])):
        running.add(index)
        spawn_background(
            await_exit,
            task,
            docker_client,
            index,
            docker_id,
            exits,
            thread_name=f"sandbox-wait-{docker_id[:8]}",
        )
    while running:
        index = exits.get()
        running.discard(index)
        if index >= len(essential) or essential[index]:
            break
    begin_to_stop(task, ESSENTIAL_EXITED, "EssentialContainerExited")
    end_task(task, docker_client)


def await_exit(task, docker_client, index, docker_id, exits):
    try:
        container = wait_for_exit(docker_client, docker_id)
        record_exit(task, docker_client, index, container)
    finally:
        exits.put(index)


def wait_for_exit(docker_client, docker_id):
    """The container after it exited, or None if somebody removed it."""
    while True:
        try:
            container = docker_client.containers.get(docker_id)
            container.wait(timeout=None)
            container.reload()
            return container
        except Exception as error:
            if getattr(error, "status_code", None) == 404:
                return None
            # A Docker Engine that does not answer is no evidence of an exit.
            logger.warning("waiting for container %s: %s", docker_id[:12], error)
            time.sleep(0.5)


def record_exit(task, docker_client, index, container):
    if index >= len(task.get("containers", [])):
        return
    record = task["containers"][index]
    with resource_lock("ecs-task", task["taskArn"]):
        if record.get("lastStatus") == "STOPPED":
            return
        record["lastStatus"] = "STOPPED"
        if container is None:
            record["reason"] = "CannotInspectContainerError: the container was removed"
            return
        record["exitCode"] = container.attrs["State"]["ExitCode"]
    if ran_out_of_memory(task, docker_client, container):
        record["reason"] = OUT_OF_MEMORY


def ran_out_of_memory(task, docker_client, container):
    state = container.attrs["State"]
    if state.get("OOMKilled"):
        return True
    if state["ExitCode"] != 137 or task.get("desiredStatus") == "STOPPED":
        return False
    # Docker counts in whole seconds here, and forgets old events, so it is asked at once.
    now = int(time.time())
    try:
        events = docker_client.events(
            since=now - 60,
            until=now + 1,
            decode=True,
            filters={"type": "container", "container": container.id, "event": "oom"},
        )
        return any(True for _event in events)
    except Exception as error:
        logger.warning("Docker's events cannot be read: %s", error)
        return False


def begin_to_stop(task, reason, stop_code):
    """Decide why the task stops. The first reason stays; returns whether it was this one."""
    with resource_lock("ecs-task", task["taskArn"]):
        if not is_registered(task) or task.get("desiredStatus") == "STOPPED":
            return False
        ecs._bump_task_version(task)
        task["desiredStatus"] = "STOPPED"
        task["stopCode"] = stop_code
        task["stoppedReason"] = reason[:1024]
        task["stoppingAt"] = ecs._iso()
    ecs_metadata.set_task_status(task["taskArn"], desired_status="STOPPED")
    task_events.tell(task)
    return True


def is_registered(task):
    return (
        ecs._tasks.get(task["taskArn"]) is task
        and not task.get("_ecs_resetting")
        and task.get("lastStatus") != "STOPPED"
    )


def end_task(task, docker_client):
    """Stop what still runs, wait for the logs, and let the task reach STOPPED."""
    ever_ran = bool(task.get("_docker_ids"))
    set_status(task, "DEACTIVATING")
    set_status(task, "STOPPING")
    stop_containers(task, docker_client)
    if ever_ran:
        task["executionStoppedAt"] = ecs._iso()
    set_status(task, "DEPROVISIONING", counts=True)
    task_events.tell(task)
    for docker_id in list(task.get("_docker_ids") or []):
        awslogs.wait_until_forwarded(docker_id, LOG_DEADLINE)
    ecs._mark_task_stopped(
        task["taskArn"], task, task.get("stoppedReason", ""), task.get("stopCode", "")
    )
    ecs._cleanup_task_resources(task, docker_client)


def set_status(task, status, counts=False):
    with resource_lock("ecs-task", task["taskArn"]):
        if is_registered(task):
            if counts:
                ecs._bump_task_version(task)
            task["lastStatus"] = status


def stop_containers(task, docker_client):
    """SIGTERM to all at once, SIGKILL to each after its own stopTimeout; returns when all ended."""
    threads = []
    for index, docker_id in enumerate(list(task.get("_docker_ids") or [])):
        # The new thread does not know the account and region in which task definitions are found.
        thread = threading.Thread(
            target=stop_container,
            daemon=True,
            args=(task, docker_client, index, docker_id, stop_timeout(task, index)),
        )
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()


def stop_container(task, docker_client, index, docker_id, timeout):
    try:
        # Docker answers at once for a container that has exited already.
        docker_client.containers.get(docker_id).stop(timeout=timeout)
    except Exception as error:
        if getattr(error, "status_code", None) != 404:
            logger.warning("container %s was not stopped: %s", docker_id[:12], error)
    record_exit(task, docker_client, index, wait_for_exit(docker_client, docker_id))


def stop_timeout(task, index):
    definition = ecs._task_defs.get(ecs._resolve_td_key(task.get("taskDefinitionArn"))) or {}
    containers = definition.get("containerDefinitions", [])
    value = containers[index].get("stopTimeout") if index < len(containers) else None
    return DEFAULT_STOP_TIMEOUT if value is None else int(value)


@replaces("ministack.services.ecs", "_mark_task_stopped")
def mark_task_stopped(task_arn, task, reason, stop_code, exit_code=None):
    with resource_lock("ecs-task", task_arn):
        if not is_registered(task):
            return False
        ecs._bump_task_version(task)
        task["desiredStatus"] = "STOPPED"
        task["stoppedReason"] = reason
        task["stopCode"] = stop_code
        task["stoppedAt"] = ecs._iso()
        task["stoppingAt"] = task.get("stoppingAt") or task["stoppedAt"]
        task["connectivityAt"] = task.get("connectivityAt") or task["createdAt"]
        for container in task.get("containers", []):
            container["lastStatus"] = "STOPPED"
        # Last, since a reader that sees STOPPED takes the rest of the record as final.
        task["lastStatus"] = "STOPPED"
    ecs_metadata.set_task_status(task_arn, known_status="STOPPED", desired_status="STOPPED")
    ecs_metadata.set_all_container_status(task_arn, "STOPPED")
    task_events.tell(task)
    cluster_name = ecs._cluster_name_from_arn(task.get("clusterArn", ""))
    if cluster_name:
        ecs._recount_cluster(cluster_name)
        ecs._refresh_service_state(cluster_name, task.get("group", ""))
    if stop_code in ("EssentialContainerExited", "TaskFailedToStart"):
        ecs._record_service_task_failure(task)
    return True


@replaces("ministack.services.ecs", "_cleanup_task_resources")
def cleanup_task_resources(task, docker_client, extra_container=None):
    """Remove the task's containers, once the task has ended.

    MiniStack's worker also calls this when a task is stopped while it starts; the containers that
    run by then are left to `end_task`, which asks them to stop and keeps their exit codes.
    """
    if extra_container is not None:
        task.setdefault("_docker_ids", []).append(extra_container.id)
    if task.get("lastStatus") != "STOPPED" and not task.get("_ecs_resetting"):
        return
    with resource_lock("ecs-task", task["taskArn"]):
        docker_ids, task["_docker_ids"] = list(task.get("_docker_ids") or []), []
        tokens, task["_metadata_tokens"] = list(task.get("_metadata_tokens") or []), []
    for token in tokens:
        ecs_metadata.unregister_token(token)
    for docker_id in docker_ids:
        try:
            container = docker_client.containers.get(docker_id)
        except Exception:
            continue
        remove(container)
