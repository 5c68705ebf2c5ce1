"""A task ends with the exit codes, words and times that ECS gives it."""

import copy
import time

from .sandbox import CLUSTER, EngineTest


class Exit(EngineTest):
    """test_process_engine.py repeats them with the other engine."""

    engine = about = "docker"

    def test_exit_code_and_words(self):
        task = self.ecs.finish(self.ecs.define(), ["exit", "3"])
        self.assertEqual(task["containers"][0]["exitCode"], 3)
        self.assertEqual(task["stopCode"], "EssentialContainerExited")
        self.assertEqual(task["stoppedReason"], "Essential container in task exited")

    def test_the_timeline_is_complete_and_in_order(self):
        task = self.ecs.finish(self.ecs.define(), ["exit", "0"])
        times = [
            task[name]
            for name in (
                "createdAt",
                "pullStartedAt",
                "pullStoppedAt",
                "startedAt",
                "stoppingAt",
                "executionStoppedAt",
                "stoppedAt",
            )
        ]
        self.assertEqual(times, sorted(times))
        self.assertIn("connectivityAt", task)
        self.assertTrue(any(each.microsecond for each in times))

    def test_its_containers_are_removed(self):
        arn = self.ecs.finish(self.ecs.define(), ["exit", "0"])["taskArn"]
        deadline = time.monotonic() + 10
        while self.ecs.sandbox.containers(arn):
            self.assertLess(time.monotonic(), deadline, "the container was not removed")
            time.sleep(0.05)

    def test_every_container_keeps_its_own_code(self):
        definition = self.ecs.define(
            {"name": "task", "command": ["sleep", "1", "3"]},
            {"name": "sidecar", "command": ["wait", "7"], "essential": False},
            {"name": "early", "command": ["exit", "5"], "essential": False},
        )
        task = self.ecs.finish(definition)
        codes = {each["name"]: each["exitCode"] for each in task["containers"]}
        self.assertEqual(codes, {"task": 3, "sidecar": 7, "early": 5})
        self.assertEqual(self.ecs.lines(task["taskArn"], "sidecar"), ["waiting", "got SIGTERM"])

    def test_a_container_that_cannot_start_takes_the_others_down(self):
        definition = self.ecs.define(
            {"name": "task", "command": ["wait", "7"], "stopTimeout": 2},
            {"name": "broken", "image": f"localhost:{self.ecs.sandbox.port}/api:absent"},
        )
        task = self.ecs.finish(definition)
        first, second = task["containers"]
        self.assertEqual(task["stopCode"], "TaskFailedToStart")
        # It may have been asked to stop before its handler was in place: the first process of a
        # container then does not hear it and is killed later.
        self.assertIn(first["exitCode"], (7, 137, 143))
        self.assertNotIn("exitCode", second)
        self.assertIn("CannotPullContainerError", second["reason"])

    def test_many_at_once(self):
        definition = self.ecs.define()
        arns = []
        for code in range(20):
            arns.append(self.ecs.run(definition, ["exit", str(code)]))
        codes = [self.ecs.wait(arn)["containers"][0]["exitCode"] for arn in arns]
        self.assertEqual(codes, list(range(20)))


class StopTask(EngineTest):
    """test_process_engine.py repeats them with the other engine."""

    engine = about = "docker"

    def stop(self, arn, **options):
        started = time.monotonic()
        answer = self.ecs.ecs.stop_task(cluster=CLUSTER, task=arn, **options)["task"]
        self.assertLess(time.monotonic() - started, 1, "StopTask waited")
        self.assertEqual(answer["desiredStatus"], "STOPPED")
        return answer

    def test_it_answers_at_once_and_the_program_decides_on_its_exit_code(self):
        arn = self.ecs.run(self.ecs.define(), ["wait", "7"])
        self.ecs.wait_for_line(arn, "waiting")
        self.assertEqual(self.stop(arn, reason="enough")["lastStatus"], "RUNNING")
        task = self.ecs.wait(arn)
        self.assertEqual((task["stopCode"], task["stoppedReason"]), ("UserInitiated", "enough"))
        self.assertEqual(task["containers"][0]["exitCode"], 7)
        self.assertEqual(self.ecs.lines(arn), ["waiting", "got SIGTERM"])

    def test_stop_timeout(self):
        arn = self.ecs.run(self.ecs.define({"stopTimeout": 2}), ["stubborn"])
        self.ecs.wait_for_line(arn, "waiting")
        started = time.monotonic()
        self.stop(arn)
        shown = self.ecs.wait(arn)["containers"][0]
        self.assertTrue(1.9 < time.monotonic() - started < 10)
        self.assertEqual(shown["exitCode"], 137)
        self.assertNotIn("reason", shown)

    def test_stop_timeout_in_another_region(self):
        elsewhere = copy.copy(self.ecs)
        elsewhere.ecs = self.ecs.sandbox.client("ecs", "eu-central-1")
        elsewhere.ecs.create_cluster(clusterName=CLUSTER)
        arn = elsewhere.run(elsewhere.define({"stopTimeout": 1}), ["stubborn"])
        elsewhere.wait_for_line(arn, "waiting")
        elsewhere.ecs.stop_task(cluster=CLUSTER, task=arn)
        self.assertEqual(elsewhere.wait(arn, seconds=10)["containers"][0]["exitCode"], 137)

    def test_a_task_that_is_stopped_at_its_start_has_no_made_up_exit_code(self):
        arn = self.ecs.run(self.ecs.define({"stopTimeout": 2}), ["wait", "7"])
        self.stop(arn)
        task = self.ecs.wait(arn)
        self.assertEqual(
            (task["stopCode"], task["stoppedReason"]), ("UserInitiated", "Task stopped by user")
        )
        # It never ran, or it was stopped while it started.
        self.assertIn(task["containers"][0].get("exitCode"), (None, 7, 137, 143))

    def test_a_stop_at_any_moment_ends_the_task(self):
        definition = self.ecs.define({"stopTimeout": 2})
        for delay in range(0, 400, 40):
            arn = self.ecs.run(definition, ["wait", "7"])
            time.sleep(delay / 1000)
            self.stop(arn)
            task = self.ecs.wait(arn)
            self.assertEqual(task["stopCode"], "UserInitiated")
            # 137: the first process of a container does not hear a SIGTERM that comes before its
            # handler is in place, and is killed after stopTimeout.
            self.assertIn(task["containers"][0].get("exitCode"), (None, 7, 137, 143))

    def test_stopping_twice_keeps_the_first_reason(self):
        arn = self.ecs.run(self.ecs.define(), ["wait", "0"])
        self.ecs.wait_for_line(arn, "waiting")
        self.stop(arn, reason="first")
        self.stop(arn, reason="second")
        self.assertEqual(self.ecs.wait(arn)["stoppedReason"], "first")

    def test_unknown_task_and_cluster(self):
        errors = self.ecs.ecs.exceptions
        with self.assertRaises(errors.InvalidParameterException):
            self.ecs.ecs.stop_task(cluster=CLUSTER, task="0" * 32)
        with self.assertRaises(errors.ClusterNotFoundException):
            self.ecs.ecs.stop_task(cluster="absent", task="0" * 32)
