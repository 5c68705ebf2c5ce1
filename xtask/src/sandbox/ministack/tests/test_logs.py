"""Every line of a container is in CloudWatch Logs when its task is STOPPED: once, in order."""

from sandbox_extension import awslogs

from .sandbox import LOG_GROUP, EngineTest


class Forwarding(EngineTest):
    """test_process_engine.py repeats them with the other engine."""

    engine = about = "docker"

    def setUp(self):
        super().setUp()
        self.definition = self.ecs.define()

    def lines(self, *command):
        arn = self.ecs.run(self.definition, list(command))
        self.ecs.wait(arn)
        return self.ecs.lines(arn)

    def test_100_000_lines_written_at_once(self):
        for _attempt in range(2):
            lines = self.lines("lines", "100000")
            self.assertEqual(len(lines), 100_000)
            self.assertEqual(lines, [f"line {number}" for number in range(1, 100_001)])

    def test_ten_tasks_at_once(self):
        arns = [self.ecs.run(self.definition, ["lines", "10000"]) for _task in range(10)]
        expected = [f"line {number}" for number in range(1, 10_001)]
        for arn in arns:
            self.ecs.wait(arn)
            self.assertEqual(self.ecs.lines(arn), expected)

    def test_both_streams_without_a_last_end_of_line(self):
        for _attempt in range(5):
            lines = self.lines("mixed", "200")
            for stream in ("out", "err"):
                self.assertEqual(
                    [line for line in lines if line.startswith(stream)],
                    [f"{stream} {number}" for number in range(1, 201)],
                )

    def test_only_an_end_of_line_separates_and_empty_lines_are_no_events(self):
        self.assertEqual(
            self.lines("odd"), ["first", "second\fstill second\u2028still second\rstill second"]
        )

    def test_a_long_line_is_cut_where_cloudwatch_cuts_it(self):
        lines = self.lines("long", "600000")
        self.assertEqual([len(line) for line in lines], [262_118, 262_118, 75_764, 5])
        self.assertEqual(
            self.lines("long", "16384")[0],
            "".join(chr(ord("a") + number % 26) for number in range(16_384)),
        )

    def test_the_times_are_in_order(self):
        arn = self.ecs.run(self.definition, ["mixed", "1000"])
        self.ecs.wait(arn)
        times = [event["timestamp"] for event in self.ecs.events(arn)]
        self.assertEqual(times, sorted(times))


class FakeContainer:
    """A container whose log breaks off after some entries while it is followed."""

    id = "0" * 64

    def __init__(self, seconds, break_after):
        self.log = [
            f"2026-01-02T03:04:{second:02}.{number:09}Z line {number}\n".encode()
            for number, second in enumerate(seconds)
        ]
        self.break_after = break_after

    def logs(self, follow=False, tail=None, since=None, **_options):
        if tail is not None:
            return iter(self.log[-tail:])
        if follow:
            return iter(self.log[: self.break_after])
        return iter([raw for raw in self.log if since is None or awslogs.epoch(raw[:19]) >= since])

    def wait(self, timeout):
        return {"StatusCode": 0}


class ReadingOn(EngineTest):
    def test_what_was_missed_is_read_once(self):
        # The times of the two streams are out of order around a full second.
        seconds = [1, 1, 2, 3, 2, 3, 3, 4, 3, 5, 9, 9]
        for break_after in range(len(seconds) + 1):
            queue = awslogs.queue.Queue()
            awslogs.read_log(FakeContainer(seconds, break_after), queue)
            messages = []
            while (entry := queue.get()) is not None:
                messages.append(entry[1].decode().strip())
            self.assertEqual(messages, [f"line {number}" for number in range(len(seconds))])


class FilterLogEvents(EngineTest):
    def setUp(self):
        super().setUp()
        self.group = self.id()
        self.ecs.logs.create_log_group(logGroupName=self.group)
        for stream in ("a/1", "a/2", "b/1"):
            self.ecs.logs.create_log_stream(logGroupName=self.group, logStreamName=stream)
            self.ecs.logs.put_log_events(
                logGroupName=self.group,
                logStreamName=stream,
                logEvents=[
                    {"timestamp": 1_000 + number // 10, "message": f"{stream} {number}"}
                    for number in range(50)
                ],
            )

    def filter(self, **options):
        pages = self.ecs.logs.get_paginator("filter_log_events").paginate(
            logGroupName=self.group, **options
        )
        return [event["message"] for page in pages for event in page["events"]]

    def test_pages(self):
        messages = self.filter(limit=7)
        self.assertEqual(len(messages), 150)
        self.assertEqual(len(set(messages)), 150)

    def test_prefix_and_time(self):
        self.assertEqual(len(self.filter(logStreamNamePrefix="a/")), 100)
        self.assertEqual(self.filter(logStreamNamePrefix="c"), [])
        self.assertEqual(len(self.filter(startTime=1_004, logStreamNames=["b/1"])), 10)

    def test_what_is_refused(self):
        errors = self.ecs.logs.exceptions
        with self.assertRaises(errors.InvalidParameterException):
            self.filter(logStreamNamePrefix="a", logStreamNames=["b/1"])
        with self.assertRaises(errors.ResourceNotFoundException):
            self.ecs.logs.filter_log_events(logGroupName="absent")

    def test_a_task_is_found_by_its_prefix(self):
        arn = self.ecs.run(self.ecs.define(), ["lines", "3"])
        self.ecs.wait(arn)
        events = self.ecs.logs.filter_log_events(
            logGroupName=LOG_GROUP, logStreamNamePrefix=f"ecs/task/{arn.rsplit('/', 1)[-1]}"
        )
        self.assertEqual(
            [event["message"] for event in events["events"]], ["line 1", "line 2", "line 3"]
        )
