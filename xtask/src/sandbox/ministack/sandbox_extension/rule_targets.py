"""EventBridge rules and schedules run ECS tasks, and a rule writes its events to a log group.

Gap: MiniStack accepts such targets and then logs "unsupported target type". It looks for due rules
every ten seconds.

AWS: a rule or schedule whose target is a cluster calls RunTask with its EcsParameters; `Input` (or
what the input transformer makes) is the overrides. startedBy is "events-rule/NAME" or
"chronos-schedule/NAME", cut to 36 characters. A log group as target gets the event as one line.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html

Here: the same, in this process. AWS repeats a failed RunTask for up to 24 hours, this does not: it
is a dead letter at once. `target_roles` says what the target's role decides.

Instead of: `eventbridge._invoke_target`, for these two kinds of target.
"""

import json
import logging
import time
import uuid

from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import ecs, eventbridge, scheduler

from . import target_roles
from .hooks import replaces, uses

logger = logging.getLogger("sandbox.targets")

STARTED_BY_LENGTH = 36

uses(
    "ministack.services.eventbridge",
    "_SCHEDULER_TICK_INTERVAL",
    "_apply_input_transformer",
    "_pattern_event_view",
    "_target_matches_request_scope",
)
uses("ministack.services.scheduler", "_SCHEDULE_TICK_INTERVAL")
uses("ministack.services.cloudwatch_logs", "_log_groups", "_create_log_stream", "_put_log_events")


def look_every_second():
    eventbridge._SCHEDULER_TICK_INTERVAL = 1
    scheduler._SCHEDULE_TICK_INTERVAL = 1


@replaces("ministack.services.eventbridge", "_invoke_target")
def invoke_target(target, event, rule, view=None):
    try:
        arn = parse_arn(target.get("Arn", ""))
    except ArnParseError:
        arn = None
    handler = None
    if arn and eventbridge._target_matches_request_scope(arn):
        if arn.service == "ecs" and arn.resource.startswith("cluster/"):
            handler = run_task
        elif arn.service == "logs" and arn.resource.startswith("log-group:"):
            handler = write_to_log_group
    if handler is None:
        invoke_target.stock(target, event, rule, view)
        return
    view = view or eventbridge._pattern_event_view(event)
    try:
        handler(arn, target, rule, payload(target, rule, view))
    except target_roles.Refused as refused:
        logger.warning("%s started nothing: %s", rule.get("Arn"), refused)
        scheduled = target_roles.service_of(rule) == target_roles.SCHEDULER
        text = target.get("Input") if scheduled else json.dumps(view.event_with_detail())
        target_roles.dead_letter(target, rule, text or "{}", refused)
    except Exception:
        logger.exception("target %s of %s failed", target.get("Arn"), rule.get("Arn"))


def payload(target, rule, view):
    """What the target gets: the event, a part of it, or what the target makes of it."""
    event = view.event_with_detail()
    if target.get("InputTransformer"):
        return eventbridge._apply_input_transformer(target["InputTransformer"], rule, view)
    if target.get("Input"):
        return target["Input"]
    if target.get("InputPath"):
        try:
            for part in target["InputPath"].strip("$.").split("."):
                event = event[part] if part else event
        except (LookupError, TypeError):
            pass
    return json.dumps(event)


def run_task(arn, target, rule, text):
    """RunTask with the target's EcsParameters; its answer is only logged, as there is no caller."""
    body = lower_first_letters(target.get("EcsParameters") or {})
    body["taskDefinition"] = body.pop("taskDefinitionArn", "")
    body["count"] = body.pop("taskCount", None) or 1
    body["cluster"] = target["Arn"]
    body["startedBy"] = started_by(rule)
    if target.get("Input") or target.get("InputTransformer"):
        overrides = json.loads(text)
        if isinstance(overrides, dict):
            body["overrides"] = overrides
    body = {name: value for name, value in body.items() if value not in (None, "")}
    target_roles.require(target.get("RoleArn", ""), rule, body)
    status, _headers, answer = ecs._run_task(body)
    answer = json.loads(answer)
    if status != 200:
        raise target_roles.Refused(answer.get("__type", ""), answer.get("message", str(answer)))
    if answer.get("failures"):
        raise target_roles.Refused("ECS", json.dumps(answer["failures"]))
    logger.info("%s ran %s", rule.get("Arn"), body["taskDefinition"])


def lower_first_letters(value):
    """EventBridge writes AwsvpcConfiguration what ECS calls awsvpcConfiguration, at every depth."""
    if isinstance(value, dict):
        return {
            name[:1].lower() + name[1:]: lower_first_letters(each) for name, each in value.items()
        }
    if isinstance(value, list):
        return [lower_first_letters(each) for each in value]
    return value


def started_by(rule):
    kind = "chronos-schedule" if ":scheduler:" in rule.get("Arn", "") else "events-rule"
    return f"{kind}/{rule.get('Name', '')}"[:STARTED_BY_LENGTH]


def write_to_log_group(arn, _target, rule, text):
    from ministack.services import cloudwatch_logs

    group = arn.resource[len("log-group:") :].removesuffix(":*")
    if group not in cloudwatch_logs._log_groups:
        logger.warning(
            "%s writes to the log group %s, which does not exist", rule.get("Arn"), group
        )
        return
    # AWS makes up a name of this form, too.
    stream = str(uuid.uuid5(uuid.NAMESPACE_URL, rule.get("Arn", "")))
    if stream not in cloudwatch_logs._log_groups[group]["streams"]:
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    cloudwatch_logs._put_log_events(
        {
            "logGroupName": group,
            "logStreamName": stream,
            "logEvents": [{"timestamp": int(time.time() * 1000), "message": text}],
        }
    )
