"""RunTask refuses what AWS refuses, and answers the same call twice with the same task.

Gap: MiniStack ignores clientToken, so a repeated call starts a second task; it makes up a cluster
that does not exist; runs an INACTIVE task definition; ignores an override for a container that the
task definition does not have; leaves `group` empty; and shows the task definition's cpu and memory
although the call overrode them.

AWS: the same clientToken with the same parameters returns the tasks that it started, with others
ConflictException with their ARNs as resourceIds. SDKs send a token of their own with every call.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html
The error texts were seen in DefangLabs/defang#775 (inactive), Cloud-CV/EvalAI#2419 (not found) and
azavea/django-ecsmanage#21 (unknown container). A token is valid for at most 24 hours.

Instead of: `ecs._run_task`, `ecs._resolve_td_key`.
"""

import copy
import json
import re
import threading
import time

from ministack.core.concurrency import resource_lock
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import ecs

from .hooks import at_reset, replaces, uses

TOKEN_SECONDS = 24 * 3600
MAX_OVERRIDES = 8192

uses(
    "ministack.services.ecs",
    "_clusters",
    "_task_defs",
    "_tasks",
    "_tags",
    "_get_docker",
    "_resolve_cluster_name",
    "_sanitize",
)

_tokens = {}
_tokens_lock = threading.Lock()


@at_reset
def forget_tokens():
    with _tokens_lock:
        _tokens.clear()


@replaces("ministack.services.ecs", "_resolve_td_key")
def resolve_td_key(ref):
    """A family without a revision means its latest ACTIVE revision."""
    key = resolve_td_key.stock(ref)
    definition = ecs._task_defs.get(key) if key else None
    family = (ref or "").rsplit("/", 1)[-1]
    if not definition or definition["status"] == "ACTIVE" or family != definition["family"]:
        return key
    active = [
        each["revision"]
        for each in ecs._task_defs.values()
        if each["family"] == family and each["status"] == "ACTIVE"
    ]
    return f"{family}:{max(active)}" if active else key


@replaces("ministack.services.ecs", "_run_task")
def run_task(data):
    token = data.get("clientToken")
    if not token:
        return start(data)
    if not re.fullmatch(r"[!-~]{1,64}", token):
        return refuse("Invalid clientToken: it must have 1 to 64 characters of ASCII 33-126.")
    key = (get_account_id(), get_region(), data.get("cluster") or "default", token)
    # The same token in two calls at once must start one task, so the second one waits.
    with resource_lock("sandbox-client-token", repr(key)):
        return start_once(
            key, {name: value for name, value in data.items() if name != "clientToken"}
        )


def start_once(key, parameters):
    with _tokens_lock:
        time_of_use, known_parameters, arns = _tokens.get(key, (0, None, []))
    if time.time() - time_of_use > TOKEN_SECONDS:
        response = start(copy.deepcopy(parameters))
        if response[0] == 200:
            arns = [task["taskArn"] for task in json.loads(response[2])["tasks"]]
            with _tokens_lock:
                _tokens[key] = (time.time(), parameters, arns)
        return response
    if parameters != known_parameters:
        return error_response_json(
            "ConflictException",
            "The RunTask request could not be processed due to conflicts. The provided clientToken "
            "is already in use with a different RunTask request. The resourceIds are the existing "
            "task ARNs which are already associated with the clientToken.",
            400,
            extra={"resourceIds": arns},
        )
    tasks = [ecs._sanitize(ecs._tasks[arn]) for arn in arns if arn in ecs._tasks]
    return json_response({"tasks": tasks, "failures": []})


def start(data):
    """Check the call as ECS does, run it, and complete what MiniStack leaves out."""
    cluster = ecs._resolve_cluster_name(data.get("cluster"))
    if cluster is None or cluster not in ecs._clusters:
        return refuse("Cluster not found.", "ClusterNotFoundException")
    definition = ecs._task_defs.get(ecs._resolve_td_key(data.get("taskDefinition", "")))
    error = find_error(data, definition)
    if error:
        return error
    if ecs._get_docker() is None:
        return refuse(
            "The sandbox found no Docker Engine to run the task on.", "ServerException", 500
        )
    data["group"] = data.get("group") or f"family:{definition['family']}"
    if data.get("propagateTags") == "TASK_DEFINITION":
        own = {tag["key"] for tag in data.get("tags", [])}
        data["tags"] = data.get("tags", []) + [
            tag
            for tag in ecs._tags.get(definition["taskDefinitionArn"], [])
            if tag["key"] not in own
        ]
    response = run_task.stock(data)
    return apply_overrides(response, data.get("overrides") or {})


def find_error(data, definition):
    if definition is None:
        return refuse("TaskDefinition not found.", "ClientException")
    if definition["status"] != "ACTIVE":
        return refuse("TaskDefinition is inactive")
    overrides = data.get("overrides") or {}
    if len(json.dumps(overrides, separators=(",", ":"))) > MAX_OVERRIDES:
        return refuse(f"Container Overrides length must be at most {MAX_OVERRIDES}")
    names = {container["name"] for container in definition["containerDefinitions"]}
    for override in overrides.get("containerOverrides", []):
        if override and override.get("name") not in names:
            return refuse(
                f"Override for container named {override.get('name')} is not a "
                "container in the TaskDefinition."
            )
    if definition.get("networkMode") == "awsvpc" and not data.get("networkConfiguration"):
        return refuse(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    return None


def refuse(message, code="InvalidParameterException", status=400):
    return error_response_json(code, message, status)


def apply_overrides(response, overrides):
    """Show the task's cpu and memory as this run has them."""
    changed = {name: str(overrides[name]) for name in ("cpu", "memory") if overrides.get(name)}
    if response[0] != 200 or not changed:
        return response
    body = json.loads(response[2])
    for shown in body["tasks"]:
        shown.update(changed)
        task = ecs._tasks.get(shown["taskArn"])
        if task is not None:
            task.update(changed)
    return json_response(body)
