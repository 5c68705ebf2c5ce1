"""ECS tells the times of a task with milliseconds.

Gap: MiniStack cuts createdAt, startedAt, stoppedAt and the others to whole seconds, so the phases
of a task that runs for a second cannot be told apart.

AWS: fractional seconds since the epoch, for example 1764022800.123.

Instead of: `ecs._ts_to_epoch`.
"""

from datetime import datetime

from .hooks import replaces


@replaces("ministack.services.ecs", "_ts_to_epoch")
def ts_to_epoch(value):
    if not isinstance(value, str):
        return value
    try:
        return round(datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp(), 3)
    except ValueError:
        return value
