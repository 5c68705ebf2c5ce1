"""Tasks as processes: the tests of the docker engine again, and those of this engine alone."""

import os
import shutil
import signal
import tempfile
import time
import unittest

from . import images, test_end, test_logs, test_start
from .sandbox import Ecs, EngineTest, Sandbox, probe


class Exit(test_end.Exit):
    engine = "process"


class StopTask(test_end.StopTask):
    engine = "process"


class Image(test_start.Image):
    engine = "process"


class Container(test_start.Container):
    engine = "process"


class Forwarding(test_logs.Forwarding):
    engine = "process"


class Isolated(EngineTest):
    engine = "process"

    def test_the_task_is_the_first_process_and_sees_only_its_image(self):
        arn = self.ecs.run(self.ecs.define(), ["look", "/"])
        self.ecs.wait(arn)
        self.assertEqual(
            sorted(self.ecs.lines(arn)), ["dev", "etc", "extra", "pid 1", "probe", "proc"]
        )

    def test_what_a_task_writes_is_gone_with_it(self):
        definition = self.ecs.define({"user": "0"})
        for _time in range(2):
            arn = self.ecs.run(definition, ["touch", "/written"])
            self.assertEqual(self.ecs.wait(arn)["containers"][0]["exitCode"], 0)

    def test_a_read_only_root(self):
        definition = self.ecs.define({"user": "0", "readonlyRootFilesystem": True})
        task = self.ecs.finish(definition, ["touch", "/written"])
        self.assertEqual(task["containers"][0]["exitCode"], 30)  # EROFS

    def test_two_containers_talk_over_localhost(self):
        arn = self.ecs.run(
            self.ecs.define(
                {"name": "task", "command": ["ask", "47123"]},
                {"name": "sidecar", "command": ["answer", "47123"], "essential": False},
            )
        )
        self.ecs.wait(arn)
        self.assertEqual(self.ecs.lines(arn), ["hello from the sidecar"])

    def test_the_sandbox_is_reached(self):
        arn = self.ecs.run(self.ecs.define(), ["fetch"])
        self.ecs.wait(arn)
        self.assertEqual(self.ecs.lines(arn), ["HTTP/1.1 200 OK"])

    def test_signals_of_the_program_itself(self):
        for command, code in (("segfault", 139), ("abort", 139)):
            with self.subTest(command):
                task = self.ecs.finish(self.ecs.define(), [command])
                self.assertEqual(task["containers"][0]["exitCode"], code)

    def test_an_image_of_another_registry_is_refused_with_a_way_out(self):
        task = self.ecs.finish(self.ecs.define({"image": "example.org/api:v1"}), ["exit", "0"])
        self.assertIn("install Docker to run images of other registries", task["stoppedReason"])


class WeakerIsolation(unittest.TestCase):
    """What remains where namespaces are not allowed."""

    def run_in(self, isolation):
        sandbox = Sandbox(engine="process", environment={"SANDBOX_ISOLATION": isolation})
        self.addCleanup(sandbox.close)
        ecs = Ecs(sandbox)
        task = ecs.finish(ecs.define(), ["exit", "3"])
        self.assertEqual(task["containers"][0]["exitCode"], 3, sandbox.log())
        arn = ecs.run(ecs.define(), ["orphan"])
        task = ecs.wait(arn)
        self.assertEqual(task["containers"][0]["exitCode"], 0)
        pid = int(ecs.lines(arn)[0])
        self.assertFalse(os.path.exists(f"/proc/{pid}"), "a child of the task outlived it")
        task = ecs.finish(ecs.define({"memory": 64}), ["allocate", "200"])
        self.assertIn("OutOfMemoryError", task["containers"][0].get("reason", ""))
        return sandbox.log()

    @unittest.skipUnless(os.geteuid() == 0, "only root may chroot")
    def test_chroot(self):
        self.assertIn("a chroot as root", self.run_in("chroot"))

    def test_in_place(self):
        self.assertIn("programs start in place", self.run_in("in-place"))


class Leftovers(unittest.TestCase):
    def setUp(self):
        self.state_dir = tempfile.mkdtemp(prefix="sandbox-test-")
        self.addCleanup(shutil.rmtree, self.state_dir, ignore_errors=True)

    def start(self, isolation="namespaces"):
        sandbox = Sandbox(
            state_dir=self.state_dir,
            engine="process",
            environment={"SANDBOX_ISOLATION": isolation},
        )
        self.addCleanup(sandbox.close)
        return sandbox

    def processes_of(self, sandbox):
        return [each["pid"] for record in sandbox.records() for each in record["processes"]]

    def assert_ended(self, pids, seconds=5):
        deadline = time.monotonic() + seconds
        while left := [pid for pid in pids if os.path.exists(f"/proc/{pid}")]:
            self.assertLess(time.monotonic(), deadline, f"still running: {left}")
            time.sleep(0.02)

    def run_ten(self, sandbox):
        ecs = Ecs(sandbox)
        definition = ecs.define({"memory": 64})
        arns = [ecs.run(definition, ["stubborn"]) for _ in range(10)]
        for arn in arns:
            ecs.wait_for_line(arn, "waiting")
        pids = self.processes_of(sandbox)
        self.assertEqual(len(pids), 20)
        return pids

    def test_ten_tasks_die_with_a_killed_sandbox_and_the_next_one_cleans_up(self):
        for isolation in ("namespaces", "in-place"):
            with self.subTest(isolation):
                sandbox = self.start(isolation)
                pids = self.run_ten(sandbox)
                sandbox.stop(signal.SIGKILL)
                self.assert_ended(pids)
                self.start(isolation).close()
                self.assertEqual(os.listdir(f"{self.state_dir}/engine/containers"), [])
                with open("/proc/self/mountinfo") as file:
                    self.assertNotIn(self.state_dir, file.read())

    def test_sigterm_ends_them_too(self):
        sandbox = self.start()
        pids = self.run_ten(sandbox)
        self.assertEqual(sandbox.stop(), 0, sandbox.log())
        self.assert_ended(pids)
        for folder in ("containers", "layers"):
            self.assertEqual(os.listdir(f"{self.state_dir}/engine/{folder}"), [])
        self.assertEqual(os.listdir(f"{self.state_dir}/engine/images"), ["names"])


class Platforms(EngineTest):
    engine = "process"

    def test_an_image_of_another_machine_is_refused(self):
        other = "arm64" if images.architecture() == "amd64" else "amd64"
        with open(probe(), "rb") as file:
            layer = images.tar(images.entry("probe", file.read()))
        registry = images.Registry(self.ecs.sandbox.port)
        image = registry.push("other", [(layer, images.LAYER)], {"Entrypoint": ["/probe"]}, other)
        task = self.ecs.finish(self.ecs.define({"image": image}), ["exit", "0"])
        self.assertIn("the process engine does not emulate", task["stoppedReason"])
