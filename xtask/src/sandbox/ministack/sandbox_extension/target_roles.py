"""The role of a target decides whether its task starts, and what cannot start is a dead letter.

Gap: MiniStack looks at no role when a rule or a schedule fires, takes schedules whose role does not
exist, and forgets what could not be started.

AWS: EventBridge assumes the target's role and calls RunTask with it. The role must exist, trust the
service, be allowed ecs:RunTask, and be allowed to pass the task's own roles (iam:PassRole). Lacking
permissions and missing targets are not tried again: the event goes to the target's dead-letter
queue at once, with ERROR_CODE, ERROR_MESSAGE and the ARN of the rule or schedule as attributes.
CreateSchedule refuses a role that Scheduler cannot assume.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html

Here: the same, with MiniStack's own evaluator. The exact words of the messages are those of IAM
elsewhere; the codes are not known. A dead letter for a queue that does not exist is only logged. A
role whose trust or permissions are wrong for writing to the queue writes nevertheless.

Instead of: nothing; `rule_targets` and `schedules` call this.
"""

import json
import logging

from ministack.core import iam_evaluator
from ministack.services import ecs, iam, sqs

from .hooks import uses

logger = logging.getLogger("sandbox.targets")

EVENTS, SCHEDULER = "events.amazonaws.com", "scheduler.amazonaws.com"
CANNOT_ASSUME = (
    "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
)

uses("ministack.core.iam_evaluator", "EvalContext", "evaluate", "_gather_role_policies")
uses("ministack.core.iam_evaluator", "_conditions_met")
uses("ministack.services.iam", "_roles")
uses("ministack.services.ecs", "_resolve_td_key", "_task_defs")
uses("ministack.services.sqs", "_act_send_message", "_queues")


class Refused(Exception):
    """What AWS would put into the attributes of a dead letter."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def service_of(rule):
    return SCHEDULER if ":scheduler:" in rule.get("Arn", "") else EVENTS


def trusts(role_arn, service, source_arn):
    """Whether the role exists and lets the service assume it for this rule or schedule."""
    role = find(role_arn)
    if role is None:
        return False
    document = role.get("AssumeRolePolicyDocument") or "{}"
    document = json.loads(document) if isinstance(document, str) else document
    context = question(role_arn, "sts:AssumeRole", role_arn, {"aws:sourcearn": source_arn})
    for statement in listed(document.get("Statement")):
        services = listed((statement.get("Principal") or {}).get("Service"))
        if (
            statement.get("Effect") == "Allow"
            and service in services
            and iam_evaluator._conditions_met(statement.get("Condition", {}), context)
        ):
            return True
    return False


def require(role_arn, rule, body):
    """Raise Refused unless the role may start what RunTask is asked for."""
    if not trusts(role_arn, service_of(rule), rule.get("Arn", "")):
        raise Refused("NO_PERMISSIONS", f"{service_of(rule)} is unable to assume role {role_arn}")
    definition = ecs._task_defs.get(ecs._resolve_td_key(body["taskDefinition"]))
    arn = (definition or {}).get("taskDefinitionArn") or body["taskDefinition"]
    require_action(role_arn, "ecs:RunTask", arn, {"ecs:cluster": body["cluster"]})
    roles = [(definition or {}).get(name) for name in ("taskRoleArn", "executionRoleArn")]
    for passed in sorted({each for each in roles if each}):
        require_action(
            role_arn, "iam:PassRole", passed, {"iam:passedtoservice": "ecs-tasks.amazonaws.com"}
        )


def require_action(role_arn, action, resource, keys):
    name = role_arn.rsplit("/", 1)[-1]
    account = role_arn.split(":")[4]
    policies = iam_evaluator._gather_role_policies(name, account)
    context = question(role_arn, action, resource, keys)
    if iam_evaluator.evaluate(context, policies).decision != "Allow":
        raise Refused(
            "NO_PERMISSIONS",
            f"User: arn:aws:sts::{account}:assumed-role/{name}/eventbridge is not authorized to "
            f"perform: {action} on resource: {resource} because no identity-based policy allows "
            f"the {action} action",
        )


def question(role_arn, action, resource, keys):
    account = role_arn.split(":")[4]
    return iam_evaluator.EvalContext(
        principal_arn=role_arn,
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=resource.split(":")[3] if resource.count(":") > 3 else "",
        source_ip="127.0.0.1",
        secure_transport=True,
        service_context={"aws:sourceaccount": account, **keys},
    )


def find(role_arn):
    role = iam._roles.get(role_arn.rsplit("/", 1)[-1])
    return role if role and role.get("Arn") == role_arn else None


def listed(value):
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def dead_letter(target, rule, body, refused):
    """Put what could not be delivered into the target's queue."""
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue:
        return
    url = next(
        (url for url, each in sqs._queues.items() if each["attributes"].get("QueueArn") == queue),
        None,
    )
    if url is None:
        logger.warning("the dead-letter queue %s does not exist", queue)
        return
    source = "SCHEDULE_ARN" if service_of(rule) == SCHEDULER else "RULE_ARN"
    attributes = {
        source: rule.get("Arn", ""),
        "TARGET_ARN": target.get("Arn", ""),
        "ERROR_CODE": refused.code,
        "ERROR_MESSAGE": refused.message,
        "RETRY_ATTEMPTS": "0",
    }
    sqs._act_send_message(
        {
            "QueueUrl": url,
            "MessageBody": body,
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
                if value
            },
        },
        url,
    )
