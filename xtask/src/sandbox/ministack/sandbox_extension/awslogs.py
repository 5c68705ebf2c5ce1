"""Every line that a container wrote is in CloudWatch Logs before its task is STOPPED.

Gap: MiniStack reads `docker logs --follow` once. Docker ends that stream when the container exits,
also when the reader is behind: of 100,000 lines that were written at once, 9,000 to 30,000 arrived.
It splits on every character that Unicode calls a line break, makes events of empty lines, and gives
each event the time at which it was forwarded.

AWS: the awslogs driver sends one event a line, split on \\n alone, with the time at which the line
was written; an empty line gives no event (`len(unprocessedLine) > 0` in moby's
daemon/logger/awslogs/cloudwatchlogs.go); a line longer than 262,118 bytes is cut into several
events. The driver is flushed before the container counts as stopped.

Here: the log is followed; after the exit its last entry is compared with the last one seen, and if
they differ, the log is read again from the last second seen, without the entries that were
forwarded. Only a bounded queue of entries is held in memory. Docker cuts a line into entries of
16,384 bytes; an entry of exactly that length without an end of line is joined with the next.

Instead of: `ecs._start_awslogs_forwarder`, `ecs._forward_awslogs`.
"""

import calendar
import logging
import queue
import threading
import time

from ministack.core.responses import get_account_id, get_region, new_uuid, request_scope
from ministack.services import ecs

from .hooks import replaces, uses

logger = logging.getLogger("sandbox.awslogs")

# What CloudWatch Logs takes as one event, less the 26 bytes that it counts for the envelope.
MAX_EVENT_BYTES = 262_144 - 26
DOCKER_ENTRY_BYTES = 16_384
TIMESTAMP_LENGTH = len("2026-01-02T03:04:05.678901234Z")
QUEUED_ENTRIES = 10_000
EVENTS_A_CALL = 1_000

uses("ministack.services.ecs", "_awslogs_config", "_ensure_awslogs_stream")
uses(
    "ministack.services.cloudwatch_logs",
    "_log_groups",
    "_append_log_events",
    "_fanout_to_subscription_filters",
    "_fanout_to_live_tail_sessions",
)

_forwarders = {}
_forwarders_lock = threading.Lock()


def group_exists(config):
    from ministack.services import cloudwatch_logs

    with request_scope(get_account_id(), config["region"] or get_region()):
        return config["create_group"] or config["group"] in cloudwatch_logs._log_groups


@replaces("ministack.services.ecs", "_start_awslogs_forwarder")
def start_awslogs_forwarder(container, cdef, task_id):
    config = ecs._awslogs_config(cdef, task_id, container.id)
    if not config:
        return
    thread = threading.Thread(
        target=ecs._forward_awslogs,
        daemon=True,
        name=f"sandbox-awslogs-{task_id[:8]}",
        args=(container, config, get_account_id(), config["region"] or get_region()),
    )
    # Registered before it runs, so that whoever ends the task finds it.
    with _forwarders_lock:
        _forwarders[container.id] = thread
        thread.start()


def wait_until_forwarded(container_id, timeout):
    """Wait until everything that the exited container wrote is in CloudWatch Logs."""
    with _forwarders_lock:
        thread = _forwarders.pop(container_id, None)
    if thread is None:
        return
    thread.join(timeout)
    if thread.is_alive():
        logger.warning(
            "the log of container %s was not forwarded within %s s", container_id, timeout
        )


@replaces("ministack.services.ecs", "_forward_awslogs")
def forward_awslogs(container, config, account_id, region):
    with request_scope(account_id, region):
        if not ecs._ensure_awslogs_stream(config):
            return
        entries = queue.Queue(QUEUED_ENTRIES)
        reader = threading.Thread(
            target=read_log,
            args=(container, entries),
            daemon=True,
            name=threading.current_thread().name + "-read",
        )
        reader.start()
        events = Events(config)
        while True:
            batch = next_batch(entries)
            last = batch[-1] is None
            for entry in batch[:-1] if last else batch:
                events.add(entry)
            events.send()
            if last:
                events.finish()
                return


def next_batch(entries):
    """Wait for one entry and take along what else is there; None is the end of the log."""
    batch = [entries.get()]
    while batch[-1] is not None and len(batch) < EVENTS_A_CALL:
        try:
            batch.append(entries.get_nowait())
        except queue.Empty:
            break
    return batch


class Events:
    """Turns log entries into events of one log stream."""

    def __init__(self, config):
        self.config = config
        self.events = []
        self.pending = b""
        self.pending_time = 0

    def add(self, entry):
        timestamp, message = entry
        if not self.pending:
            # Two streams may be out of order by a moment. An event that is older than its
            # neighbour would be put in front of it, where a reader that went on does not look.
            self.pending_time = max(timestamp, self.pending_time)
        ended = message.endswith(b"\n")
        self.pending += message[:-1] if ended else message
        # A shorter entry without an end of line is the last one of its stream.
        if ended or len(message) != DOCKER_ENTRY_BYTES:
            self.finish_line()
        while len(self.pending) >= MAX_EVENT_BYTES:
            self.append(self.pending[:MAX_EVENT_BYTES])
            self.pending = self.pending[MAX_EVENT_BYTES:]

    def finish_line(self):
        line, self.pending = self.pending, b""
        for start in range(0, len(line), MAX_EVENT_BYTES):
            self.append(line[start : start + MAX_EVENT_BYTES])

    def append(self, line):
        self.events.append(
            {"timestamp": self.pending_time, "message": line.decode("utf-8", errors="replace")}
        )

    def send(self):
        """What PutLogEvents does, but for the second copy that MiniStack keeps for Insights.

        It makes that copy when a query asks for it, and half of the memory is saved until then.
        """
        from ministack.services import cloudwatch_logs

        events, self.events = self.events, []
        group, name = self.config["group"], self.config["stream"]
        stream = cloudwatch_logs._log_groups.get(group, {}).get("streams", {}).get(name)
        if not events or stream is None:
            return
        now = int(time.time() * 1000)
        stored = [{**event, "ingestionTime": now, "eventId": new_uuid()} for event in events]
        cloudwatch_logs._append_log_events(stream, stored)
        cloudwatch_logs._fanout_to_subscription_filters(group, name, events)
        cloudwatch_logs._fanout_to_live_tail_sessions(group, name, stored)

    def finish(self):
        self.finish_line()
        self.send()


class Seen:
    """What was read so far, as far as needed to go on from there after the stream broke off."""

    def __init__(self):
        self.last = None
        self.newest_second = 0
        self.per_second = {}

    def add(self, raw):
        self.last = raw
        second = raw[:19]
        self.per_second[second] = self.per_second.get(second, 0) + 1
        if len(self.per_second) > 5:
            del self.per_second[min(self.per_second)]

    def resume_at(self):
        """(second from which to read again, number of entries to skip there).

        Two streams are written by two threads of Docker, so the times of neighbouring entries may
        be out of order; the second before the newest one is always read again as well.
        """
        seconds = sorted(self.per_second)[-3:]
        if not seconds:
            return None, 0
        return epoch(seconds[0]), sum(self.per_second[second] for second in seconds)


def read_log(container, entries):
    """Put every entry of the container's log into the queue, then None."""
    seen = Seen()
    try:
        follow(container, entries, seen)
        wait_for_exit(container)
        if last_entry(container) != seen.last:
            since, skip = seen.resume_at()
            for raw in read(container, since=since):
                if skip:
                    skip -= 1
                    continue
                entries.put(parse(raw))
    except Exception as error:
        logger.warning("the log of container %s broke off: %s", container.id, error)
    finally:
        entries.put(None)


def follow(container, entries, seen):
    try:
        for raw in read(container, follow=True):
            seen.add(raw)
            entries.put(parse(raw))
    except Exception as error:
        # What was missed is read again after the exit.
        logger.warning("following the log of container %s broke off: %s", container.id, error)


def wait_for_exit(container):
    while True:
        try:
            container.wait(timeout=None)
            return
        except Exception as error:
            if getattr(error, "status_code", None) == 404:
                return
            time.sleep(0.5)


def last_entry(container):
    last = None
    for raw in read(container, tail=1):
        last = raw
    return last


def read(container, **options):
    return container.logs(stream=True, stdout=True, stderr=True, timestamps=True, **options)


def parse(raw):
    """(milliseconds since the epoch, message) of an entry that begins with Docker's timestamp."""
    return epoch(raw[:19]) * 1000 + int(raw[20:23]), raw[TIMESTAMP_LENGTH + 1 :]


_epochs = {}


def epoch(second):
    """Seconds since the epoch of b"2026-01-02T03:04:05"."""
    if second not in _epochs:
        if len(_epochs) > 1000:
            _epochs.clear()
        _epochs[second] = calendar.timegm(time.strptime(second.decode(), "%Y-%m-%dT%H:%M:%S"))
    return _epochs[second]
