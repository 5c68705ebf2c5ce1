"""FilterLogEvents takes a prefix of stream names and pages through what it finds.

Gap: MiniStack ignores logStreamNamePrefix and gives no nextToken, so a paginator sees one page.

AWS: at most 10,000 events a page, the oldest first, over all streams whose names begin with the
prefix; a nextToken until there is no more; names and a prefix together are refused.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html

Instead of: `cloudwatch_logs._filter_log_events`.
"""

import heapq
from itertools import islice

from ministack.core.responses import error_response_json, json_response

from .hooks import replaces, uses

uses(
    "ministack.services.cloudwatch_logs",
    "_log_groups",
    "_resolve_log_group_name",
    "_compile_filter_pattern",
    "_log_events_lock",
)

MAX_EVENTS = 10_000


@replaces("ministack.services.cloudwatch_logs", "_filter_log_events")
def filter_log_events(data):
    from ministack.services import cloudwatch_logs

    group = cloudwatch_logs._resolve_log_group_name(data)
    names, prefix = data.get("logStreamNames"), data.get("logStreamNamePrefix")
    if names and prefix:
        return refuse("LogStreamNamePrefix and LogStreamNames are mutually exclusive parameters.")
    if group not in cloudwatch_logs._log_groups:
        return error_response_json(
            "ResourceNotFoundException", "The specified log group does not exist.", 400
        )
    token = data.get("nextToken") or "0"
    if not token.isdigit():
        return refuse("The specified nextToken is invalid.")
    limit = min(int(data.get("limit") or MAX_EVENTS), MAX_EVENTS)
    streams = cloudwatch_logs._log_groups[group]["streams"]
    with cloudwatch_logs._log_events_lock:
        histories = [
            (name, list(stream["events"]))
            for name, stream in streams.items()
            if (name in names if names else name.startswith(prefix or ""))
        ]
    matches = cloudwatch_logs._compile_filter_pattern(data.get("filterPattern", ""))
    earliest, latest = data.get("startTime"), data.get("endTime")
    found = (
        event
        for event in heapq.merge(*map(named, histories), key=by_time)
        if (earliest is None or event["timestamp"] >= earliest)
        and (latest is None or event["timestamp"] <= latest)
        and matches(event["message"])
    )
    # One more than asked for tells whether there is another page; the token counts matches.
    events = list(islice(found, int(token), int(token) + limit + 1))
    answer = {"events": events[:limit], "searchedLogStreams": []}
    if len(events) > limit:
        answer["nextToken"] = str(int(token) + limit)
    return json_response(answer)


def named(history):
    name, events = history
    return ({**event, "logStreamName": name} for event in events)


def by_time(event):
    return event["timestamp"], event.get("ingestionTime", 0)


def refuse(message):
    return error_response_json("InvalidParameterException", message, 400)
