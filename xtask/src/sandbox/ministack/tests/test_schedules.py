"""Rules and schedules run tasks at the right time, in the right words, with the right input."""

import json
import time
import unittest
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from botocore.exceptions import ClientError
from sandbox_extension import rule_targets, schedules

from .sandbox import CLUSTER, shared

ROLE = "arn:aws:iam::000000000000:role/events"
CLUSTER_ARN = f"arn:aws:ecs:us-east-1:000000000000:cluster/{CLUSTER}"


def make_role(iam, arn, services=("events", "scheduler"), actions=("ecs:RunTask", "iam:PassRole")):
    """A role that these services may assume and that may do this, to everything; made anew."""
    name = arn.rsplit("/", 1)[-1]
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": [f"{service}.amazonaws.com" for service in services]},
    }
    policy = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    try:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    except iam.exceptions.EntityAlreadyExistsException:
        iam.update_assume_role_policy(
            RoleName=name, PolicyDocument=json.dumps({"Statement": [trust]})
        )
    iam.put_role_policy(
        RoleName=name, PolicyName="all", PolicyDocument=json.dumps({"Statement": [policy]})
    )


def moment(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


class Times(unittest.TestCase):
    def next(self, expr, zone, after):
        found = schedules.next_time(expr, zone, moment(after))
        return found and datetime.fromtimestamp(found, ZoneInfo("UTC")).isoformat()[:16]

    def test_the_zone_counts(self):
        expr = "cron(30 9 * * ? *)"
        for zone, expected in (
            ("UTC", "2026-01-10T09:30"),
            ("Europe/Berlin", "2026-01-10T08:30"),
            ("Asia/Tokyo", "2026-01-10T00:30"),
            (None, "2026-01-10T09:30"),
        ):
            self.assertEqual(self.next(expr, zone, "2026-01-10T00:00"), expected, zone)

    def test_a_time_that_the_clocks_leave_out_is_skipped(self):
        self.assertEqual(
            self.next("cron(30 2 * * ? *)", "Europe/Berlin", "2026-03-28T12:00"), "2026-03-30T00:30"
        )

    def test_a_time_that_comes_twice_runs_once(self):
        expr = "cron(30 2 * * ? *)"
        self.assertEqual(self.next(expr, "Europe/Berlin", "2026-10-24T12:00"), "2026-10-25T00:30")
        self.assertEqual(self.next(expr, "Europe/Berlin", "2026-10-25T00:30"), "2026-10-26T01:30")

    def test_when_a_schedule_is_due(self):
        now = moment("2026-01-10T08:30", "Asia/Tokyo")
        schedule = {
            "ScheduleExpression": "at(2026-01-10T08:30:00)",
            "ScheduleExpressionTimezone": "Asia/Tokyo",
            "CreationDate": now - 100,
        }
        self.assertFalse(schedules.due(schedule, None, now - 1))
        self.assertTrue(schedules.due(schedule, None, now))
        self.assertFalse(schedules.due(schedule, now, now + 1))
        every = {"ScheduleExpression": "rate(5 minutes)", "CreationDate": now}
        self.assertFalse(schedules.due(every, None, now + 299))
        self.assertTrue(schedules.due(every, None, now + 300))
        self.assertFalse(schedules.due(every, now + 300, now + 599))

    def test_what_is_valid(self):
        valid = [
            "cron(0 12 * * ? *)",
            "cron(0/5 8-17 ? * MON-FRI *)",
            "cron(0 0 L * ? *)",
            "cron(0 0 ? * 6#3 2027)",
            "cron(0 0 1W * ? *)",
        ]
        wrong = [
            "cron(nonsense)",
            "cron(60 * * * ? *)",
            "cron(0 24 * * ? *)",
            "cron(0 0 32 * ? *)",
            "cron(0 0 * * * *)",
            "cron(0 0 ? * ? *)",
            "cron(0 0 * 13 ? *)",
            "cron(9-3 0 * * ? *)",
        ]
        for expr in valid + ["rate(1 minute)", "rate(2 hours)"]:
            self.assertTrue(schedules.validate_schedule_expression(expr), expr)
            self.assertTrue(schedules.valid_schedule(expr), expr)
        for expr in wrong + ["rate(0 minutes)", "rate(1 second)", "at(tomorrow)"]:
            self.assertFalse(schedules.validate_schedule_expression(expr), expr)
            self.assertFalse(schedules.valid_schedule(expr), expr)
        self.assertFalse(schedules.validate_schedule_expression("rate(1 minutes)"))
        self.assertTrue(schedules.valid_schedule("at(2026-01-10T08:30:00)"))


class Names(unittest.TestCase):
    def test_started_by_is_cut(self):
        name = "a-name-that-is-much-longer-than-ecs-lets-it-be"
        for arn, expected in (
            (f"arn:aws:events:us-east-1:1:rule/{name}", "events-rule/a-name-that-is-much-long"),
            (
                f"arn:aws:scheduler:us-east-1:1:schedule/default/{name}",
                "chronos-schedule/a-name-that-is-much",
            ),
        ):
            self.assertEqual(rule_targets.started_by({"Arn": arn, "Name": name}), expected)
            self.assertEqual(len(expected), 36)


class Running(unittest.TestCase):
    def setUp(self):
        self.ecs = shared()
        self.events = self.ecs.sandbox.client("events")
        self.scheduler = self.ecs.sandbox.client("scheduler")
        make_role(self.ecs.sandbox.client("iam"), ROLE)
        self.parameters = {
            "TaskDefinitionArn": self.ecs.define(),
            "LaunchType": "FARGATE",
            "TaskCount": 1,
            "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-1"]}},
        }

    def wait_for_task(self, started_by, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            found = self.ecs.ecs.list_tasks(
                cluster=CLUSTER, startedBy=started_by, desiredStatus="STOPPED"
            )["taskArns"]
            if found:
                return self.ecs.wait(found[0])
            self.assertLess(time.monotonic(), deadline, f"no task was started by {started_by}")
            time.sleep(0.1)

    def schedule(self, name, expr, zone, role=ROLE, **options):
        self.scheduler.create_schedule(
            Name=name,
            ScheduleExpression=expr,
            ScheduleExpressionTimezone=zone,
            FlexibleTimeWindow={"Mode": "OFF"},
            **options,
            Target={
                "Arn": CLUSTER_ARN,
                "RoleArn": role,
                "EcsParameters": self.parameters,
                "Input": json.dumps(
                    {"containerOverrides": [{"name": "task", "command": ["args", name]}]}
                ),
            },
        )

    def test_a_schedule_runs_a_task_at_its_local_time(self):
        local = datetime.now(ZoneInfo("Asia/Tokyo")) + timedelta(seconds=2)
        self.schedule(
            "tokyo", f"at({local:%Y-%m-%dT%H:%M:%S})", "Asia/Tokyo", ActionAfterCompletion="DELETE"
        )
        self.schedule("utc", f"at({local:%Y-%m-%dT%H:%M:%S})", "UTC")
        task = self.wait_for_task("chronos-schedule/tokyo")
        self.assertEqual(self.ecs.lines(task["taskArn"]), ["[tokyo]"])
        self.assertEqual(task["group"], "family:task")
        left = [each["Name"] for each in self.scheduler.list_schedules()["Schedules"]]
        self.assertEqual(left, ["utc"])
        self.assertEqual(
            self.ecs.ecs.list_tasks(
                cluster=CLUSTER, startedBy="chronos-schedule/utc", desiredStatus="STOPPED"
            )["taskArns"],
            [],
        )

    def test_what_a_schedule_cannot_be(self):
        for expr, zone in (("cron(nonsense)", "UTC"), ("rate(1 minute)", "Mars/Phobos")):
            with self.assertRaises(self.scheduler.exceptions.ValidationException):
                self.schedule("wrong", expr, zone)
        with self.assertRaises(ClientError) as caught:
            self.events.put_rule(Name="wrong", ScheduleExpression="rate(1 minutes)")
        self.assertEqual(caught.exception.response["Error"]["Code"], "ValidationException")

    def test_a_repeated_call_is_answered_like_the_first(self):
        self.schedule("repeated", "rate(1 day)", "UTC", ClientToken="one")
        self.schedule("repeated", "rate(1 day)", "UTC", ClientToken="one")
        with self.assertRaises(self.scheduler.exceptions.ConflictException):
            self.schedule("repeated", "rate(1 day)", "UTC", ClientToken="two")
        self.scheduler.delete_schedule(Name="repeated")

    def test_a_file_runs_a_task_with_its_key(self):
        s3 = self.ecs.sandbox.client("s3")
        s3.create_bucket(Bucket="inbox")
        s3.put_bucket_notification_configuration(
            Bucket="inbox", NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        self.events.put_rule(
            Name="arrived",
            EventPattern=json.dumps(
                {
                    "source": ["aws.s3"],
                    "detail": {
                        "bucket": {"name": ["inbox"]},
                        "object": {"key": [{"prefix": "in/"}]},
                    },
                }
            ),
        )
        self.events.put_targets(
            Rule="arrived",
            Targets=[
                {
                    "Id": "task",
                    "Arn": CLUSTER_ARN,
                    "RoleArn": ROLE,
                    "EcsParameters": self.parameters,
                    "InputTransformer": {
                        "InputPathsMap": {
                            "bucket": "$.detail.bucket.name",
                            "key": "$.detail.object.key",
                        },
                        "InputTemplate": '{"containerOverrides":[{"name":"task",'
                        '"command":["args",<bucket>,<key>]}]}',
                    },
                }
            ],
        )
        s3.put_object(Bucket="inbox", Key="out/ignored", Body=b"")
        s3.put_object(Bucket="inbox", Key='in/a b "q".csv', Body=b"")
        task = self.wait_for_task("events-rule/arrived")
        self.assertEqual(self.ecs.lines(task["taskArn"]), ["[inbox]", '[in/a b "q".csv]'])

    def test_a_role_that_may_not_start_the_task_makes_a_dead_letter(self):
        iam, sqs = self.ecs.sandbox.client("iam"), self.ecs.sandbox.client("sqs")
        url = sqs.create_queue(QueueName="dead")["QueueUrl"]
        queue = {"Arn": "arn:aws:sqs:us-east-1:000000000000:dead"}
        task_role = "arn:aws:iam::000000000000:role/of-the-task"
        self.parameters["TaskDefinitionArn"] = self.ecs.define(
            family="with-role", taskRoleArn=task_role
        )
        role = "arn:aws:iam::000000000000:role/lacking"
        for number, (services, actions, expected) in enumerate(
            (
                (["lambda"], ["*"], "unable to assume role"),
                (["events"], ["iam:PassRole"], "perform: ecs:RunTask on resource"),
                (["events"], ["ecs:RunTask"], f"perform: iam:PassRole on resource: {task_role}"),
            )
        ):
            make_role(iam, role, services, actions)
            name = f"lacking-{number}"
            self.events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
            target = {"Id": "task", "Arn": CLUSTER_ARN, "RoleArn": role}
            target |= {"EcsParameters": self.parameters, "DeadLetterConfig": queue}
            self.events.put_targets(Rule=name, Targets=[target])
            event = {"Source": name, "DetailType": "x", "Detail": json.dumps({"n": number})}
            self.events.put_events(Entries=[event])
            letters = sqs.receive_message(
                QueueUrl=url, WaitTimeSeconds=5, MessageAttributeNames=["All"]
            )["Messages"]
            sqs.delete_message(QueueUrl=url, ReceiptHandle=letters[0]["ReceiptHandle"])
            attributes = letters[0]["MessageAttributes"]
            self.assertIn(expected, attributes["ERROR_MESSAGE"]["StringValue"])
            self.assertTrue(attributes["RULE_ARN"]["StringValue"].endswith(f"rule/{name}"))
            self.assertEqual(json.loads(letters[0]["Body"])["detail"], {"n": number})

    def test_a_schedule_needs_a_role_that_scheduler_may_assume(self):
        with self.assertRaisesRegex(ClientError, "must allow AWS EventBridge Scheduler"):
            self.schedule("no-role", "rate(1 day)", "UTC", "arn:aws:iam::000000000000:role/none")

    def test_every_change_of_a_task_is_written_to_a_log_group(self):
        self.ecs.logs.create_log_group(logGroupName="task-events")
        self.events.put_rule(
            Name="changes",
            EventPattern=json.dumps(
                {
                    "source": ["aws.ecs"],
                    "detail-type": ["ECS Task State Change"],
                    "detail": {"startedBy": ["watched"]},
                }
            ),
        )
        self.events.put_targets(
            Rule="changes",
            Targets=[
                {"Id": "log", "Arn": "arn:aws:logs:us-east-1:000000000000:log-group:task-events:*"}
            ],
        )
        arn = self.ecs.run(self.parameters["TaskDefinitionArn"], ["exit", "3"], startedBy="watched")
        self.ecs.wait(arn)
        deadline = time.monotonic() + 5
        seen = []
        while not seen or seen[-1]["detail"]["lastStatus"] != "STOPPED":
            self.assertLess(time.monotonic(), deadline)
            seen = [
                json.loads(event["message"])
                for event in self.ecs.logs.filter_log_events(logGroupName="task-events")["events"]
            ]
        self.assertEqual(
            [(each["detail"]["lastStatus"], each["detail"]["desiredStatus"]) for each in seen],
            [
                ("PROVISIONING", "RUNNING"),
                ("PENDING", "RUNNING"),
                ("RUNNING", "RUNNING"),
                ("RUNNING", "STOPPED"),
                ("DEPROVISIONING", "STOPPED"),
                ("STOPPED", "STOPPED"),
            ],
        )
        self.assertEqual(seen[-1]["resources"], [arn])
        self.assertEqual(seen[-1]["detail"]["containers"][0]["exitCode"], 3)
