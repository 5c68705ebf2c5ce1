"""EventBridge Scheduler knows time zones and refuses what it cannot understand.

Gap: MiniStack reads every schedule as UTC and accepts any text as expression and as time zone. It
takes rules with `rate(1 minutes)` and with minutes above 59, too. CreateSchedule ignores its
ClientToken, so the second attempt of an SDK whose first answer was lost is a conflict.

AWS: ScheduleExpressionTimezone holds for cron() and at(). When clocks go forward, a time that does
not exist is skipped; when they go back, a schedule runs once.
https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
The same ClientToken makes one schedule; SDKs send a token of their own with every call.
https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html

Here: as AWS says, looked for every second. A flexible time window is not used: a schedule runs at
its time. The exact words of the two ValidationExceptions are not known.

Instead of: `scheduler._tick_schedules`, `scheduler._create_schedule`, `scheduler._update_schedule`,
`eventbridge._validate_schedule_expression`.
"""

import logging
import re
import time
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from ministack.core.responses import new_uuid, request_scope
from ministack.services import eventbridge, scheduler

from . import target_roles
from .hooks import replaces, uses

logger = logging.getLogger("sandbox.schedules")

uses(
    "ministack.services.scheduler",
    "_schedules",
    "_schedule_last_fired",
    "_to_epoch",
    "_error",
    "_json_resp",
)
uses(
    "ministack.services.eventbridge",
    "_parse_cron_fields",
    "_cron_next_fire",
    "_parse_rate_seconds",
    "_invoke_target",
)

# Kept with the schedule, so that it outlives a restart; SDKs drop a member that they do not know.
TOKEN = "_ClientToken"

# A schedule that was restored does not make up for the times at which nothing ran.
_started_at = time.time()


@replaces("ministack.services.eventbridge", "_validate_schedule_expression")
def validate_schedule_expression(expr):
    """Rules know rate() and cron(), and are particular about "1 minute" and "2 minutes"."""
    if not expr:
        return True
    rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)(s?)\)", expr)
    if rate:
        return int(rate[1]) > 0 and (int(rate[1]) == 1) == (rate[3] == "")
    return valid_cron(expr)


def valid_cron(expr):
    fields = eventbridge._parse_cron_fields(expr)
    if fields is None:
        return False
    minutes, hours, days, months, weekdays, years, days_text, weekdays_text = fields
    if (days_text == "?") == (weekdays_text == "?"):
        return False
    special = days["last"] or days["last_weekday"] or days["weekday_of"]
    return (
        within(minutes, 0, 59)
        and within(hours, 0, 23)
        and within(months, 1, 12)
        and (within(days["days"], 1, 31) or (special and not days["days"]))
        and (within(weekdays["days"], 1, 7) or not weekdays["days"])
        and (years is None or within(years, 1970, 2199))
    )


def within(values, lowest, highest):
    return bool(values) and lowest <= min(values) and max(values) <= highest


def valid_schedule(expr):
    rate = re.fullmatch(r"rate\((\d+) (minutes?|hours?|days?)\)", expr)
    return bool(rate and int(rate[1]) > 0) or at_time(expr) is not None or valid_cron(expr)


def at_time(expr):
    """The local time of an at() expression, or None."""
    match = re.fullmatch(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)", expr)
    try:
        return datetime.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def zone_of(name):
    try:
        return ZoneInfo(name or "UTC")
    except (LookupError, ValueError, OSError):
        return None


def invalid(body):
    """The refusal of a schedule that AWS would not understand, or None."""
    expr, zone = body.get("ScheduleExpression"), body.get("ScheduleExpressionTimezone")
    if expr and not valid_schedule(expr):
        return scheduler._error(400, "ValidationException", f"Invalid Schedule Expression {expr}.")
    if zone and zone_of(zone) is None:
        return scheduler._error(
            400, "ValidationException", f"Invalid Schedule Expression Timezone {zone}."
        )
    role = (body.get("Target") or {}).get("RoleArn")
    if role and not target_roles.trusts(role, target_roles.SCHEDULER, ""):
        return scheduler._error(400, "ValidationException", target_roles.CANNOT_ASSUME)
    return None


@replaces("ministack.services.scheduler", "_create_schedule")
def create_schedule(name, body):
    refused = invalid(body)
    if refused:
        return refused
    key = f"{body.get('GroupName', 'default')}/{name}"
    known = scheduler._schedules.get(key)
    token = body.get("ClientToken")
    if known and token and known.get(TOKEN) == token:
        return scheduler._json_resp(200, {"ScheduleArn": known["Arn"]})
    answer = create_schedule.stock(name, body)
    if answer[0] == 200:
        scheduler._schedules[key][TOKEN] = token
    return answer


@replaces("ministack.services.scheduler", "_update_schedule")
def update_schedule(name, body):
    return invalid(body) or update_schedule.stock(name, body)


def next_time(expr, zone_name, after):
    """The first time, in seconds since the epoch, at which a cron() is due after `after`."""
    zone = zone_of(zone_name) or timezone.utc
    fields = eventbridge._parse_cron_fields(expr)
    local = datetime.fromtimestamp(after, zone)
    while fields is not None:
        local = eventbridge._cron_next_fire(fields, local)
        if local is None:
            return None
        moment = local.astimezone(timezone.utc)
        # A time that the clocks leave out comes back from UTC as another one.
        if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
            return moment.timestamp()
    return None


def due(schedule, last, now):
    """Whether a schedule that ran at `last` (None: never) is to run now."""
    expr, zone = schedule.get("ScheduleExpression", ""), schedule.get("ScheduleExpressionTimezone")
    once = at_time(expr)
    if once is not None:
        moment = once.replace(tzinfo=zone_of(zone) or timezone.utc).timestamp()
        return last is None and now >= moment
    changed = max(schedule.get("CreationDate", now), schedule.get("LastModificationDate", 0))
    seconds = eventbridge._parse_rate_seconds(expr)
    if seconds is not None:
        return now - (last or changed) >= seconds
    moment = next_time(expr, zone, last or max(changed, _started_at))
    return moment is not None and now >= moment


@replaces("ministack.services.scheduler", "_tick_schedules")
def tick_schedules():
    now = time.time()
    for key, schedule in list(scheduler._schedules._data.items()):
        ends = scheduler._to_epoch(schedule.get("EndDate"))
        starts = scheduler._to_epoch(schedule.get("StartDate"))
        over = ends is not None and now > ends
        if schedule.get("State") == "ENABLED" and not over:
            if starts is not None and now < starts:
                continue
            if not due(schedule, scheduler._schedule_last_fired.get(key), now):
                continue
            scheduler._schedule_last_fired[key] = now
            fire(key, schedule, now)
            over = at_time(schedule.get("ScheduleExpression", "")) is not None
        if over and schedule.get("ActionAfterCompletion") == "DELETE":
            scheduler._schedules._data.pop(key, None)
            scheduler._schedule_last_fired.pop(key, None)


def fire(key, schedule, now):
    account_id, region, _name = key
    with request_scope(account_id, region):
        event = {
            "EventId": new_uuid(),
            "Source": "aws.scheduler",
            "DetailType": "Scheduled Event",
            "Detail": "{}",
            "Time": int(now),
            "Resources": [schedule.get("Arn", "")],
            "Account": account_id,
            "Region": region,
        }
        try:
            eventbridge._invoke_target(schedule.get("Target") or {}, event, schedule)
        except Exception:
            logger.exception("schedule %s failed", schedule.get("Arn"))
