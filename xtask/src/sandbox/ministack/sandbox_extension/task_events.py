"""Every change of a task is an event on the default event bus, as ECS puts it there.

Gap: MiniStack changes its tasks and tells nobody, so a rule for stopped tasks never matches.

AWS: source "aws.ecs", detail-type "ECS Task State Change", the task as detail, its ARN as resource.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html

Here: one event for each change of lastStatus or desiredStatus, in order, from a thread of its own,
so that neither a task nor a call waits for it. Without a rule that matches events none is made.

Instead of: `ecs._mark_task_pending`, `ecs._mark_task_running`; the end is told by task_end.py.
"""

import json
import logging
import queue
import threading

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import ecs, eventbridge

from .hooks import replaces, uses

logger = logging.getLogger("sandbox.task_events")

uses("ministack.services.ecs", "_sanitize", "_iso")
uses("ministack.services.eventbridge", "_put_events", "_rules")

_events = queue.SimpleQueue()


def start():
    threading.Thread(target=send_events, daemon=True, name="sandbox-task-events").start()


def send_events():
    while True:
        account_id, region, task = _events.get()
        try:
            with request_scope(account_id, region):
                eventbridge._put_events(
                    {
                        "Entries": [
                            {
                                "Source": "aws.ecs",
                                "DetailType": "ECS Task State Change",
                                "Resources": [task["taskArn"]],
                                "Detail": json.dumps(task),
                            }
                        ]
                    },
                    allow_aws_source=True,
                )
        except Exception:
            logger.exception("the event of task %s was lost", task.get("taskArn"))


def tell(task):
    """Queue the task as it is now."""
    if any(rule.get("EventPattern") for rule in eventbridge._rules.values()):
        snapshot = {**ecs._sanitize(task), "updatedAt": ecs._iso()}
        _events.put((get_account_id(), get_region(), snapshot))


@replaces("ministack.services.ecs", "_mark_task_pending")
def mark_task_pending(task_arn, task):
    # Until here the task was PROVISIONING.
    tell(task)
    changed = mark_task_pending.stock(task_arn, task)
    if changed:
        tell(task)
    return changed


@replaces("ministack.services.ecs", "_mark_task_running")
def mark_task_running(task_arn, task):
    changed = mark_task_running.stock(task_arn, task)
    if changed:
        tell(task)
    return changed
