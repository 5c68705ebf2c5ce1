"""Tasks as processes: the tests of the docker engine again, and those of this engine alone."""

import os
import shutil
import signal
import tempfile
import time
import unittest

from sandbox_extension.process_engine.container import find_user
from sandbox_extension.process_engine.errors import EngineError

from . import images, test_end, test_logs, test_start
from .sandbox import CLUSTER, Ecs, EngineTest, Sandbox, about, probe

# What this machine allows is in a test's reach; only root may chroot and mount.
ISOLATIONS = ["user-namespaces", "in-place"]
if os.geteuid() == 0:
    ISOLATIONS += ["namespaces", "chroot"]


class Exit(test_end.Exit):
    engine, about = "process", "nothing"


class StopTask(test_end.StopTask):
    engine, about = "process", "nothing"


class Image(test_start.Image):
    engine, about = "process", "nothing"


class Container(test_start.Container):
    engine, about = "process", "nothing"


class Forwarding(test_logs.Forwarding):
    engine, about = "process", "nothing"


class Isolated(EngineTest):
    engine, about = "process", "nothing"

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

    def test_the_settings_of_the_machine_are_not_the_tasks(self):
        # The kernel starts the program that core_pattern names as root, outside of the task.
        for path in (
            "sys/kernel/core_pattern",
            "sys/vm/overcommit_memory",
            "irq/default_smp_affinity",
        ):
            task = self.ecs.finish(self.ecs.define({"user": "0"}), ["change", f"/proc/{path}"])
            self.assertEqual(task["containers"][0]["exitCode"], 30, path)  # EROFS

    def test_the_devices_of_the_machine_keep_their_modes(self):
        for path in ("/dev/null", "/proc/keys"):
            task = self.ecs.finish(self.ecs.define({"user": "0"}), ["mode", path])
            self.assertEqual(task["containers"][0]["exitCode"], 30, path)  # EROFS
        task = self.ecs.finish(self.ecs.define({"user": "65532"}), ["change", "/dev/null"])
        self.assertEqual(task["containers"][0]["exitCode"], 0)

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


class OtherIsolation(unittest.TestCase):
    """What `Isolated` and the rest do not use here: this machine's best is another one."""

    def run_in(self, isolation):
        sandbox = Sandbox(engine="process", environment={"SANDBOX_ISOLATION": isolation})
        self.addCleanup(sandbox.close)
        ecs = Ecs(sandbox)
        task = ecs.finish(ecs.define(), ["exit", "3"])
        self.assertEqual(task["containers"][0]["exitCode"], 3, sandbox.log())
        task = ecs.finish(ecs.define({"memory": 64}), ["allocate", "200"])
        self.assertIn("OutOfMemoryError", task["containers"][0].get("reason", ""))
        arn = ecs.run(ecs.define({"stopTimeout": 2}), ["wait", "7"])
        ecs.wait_for_line(arn, "waiting")
        ecs.ecs.stop_task(cluster=CLUSTER, task=arn)
        task = ecs.wait(arn)
        self.assertEqual(task["containers"][0]["exitCode"], 7)
        arn = ecs.run(ecs.define({"environment": [{"name": "A", "value": "b c"}]}), ["env", "A"])
        ecs.wait(arn)
        self.assertEqual(ecs.lines(arn), ["A=b c"])
        # Bubblewrap would read a mount of this machine behind the zero byte.
        variable = {"name": "A", "value": "b\0--bind\0/\0/machine"}
        task = ecs.finish(ecs.define({"environment": [variable]}), ["look", "/machine"])
        self.assertEqual(task["stopCode"], "TaskFailedToStart")
        self.assertIn("a zero byte", task["stoppedReason"])
        task = ecs.finish(ecs.define({"entryPoint": ["/absent"]}))
        self.assertEqual(task["stopCode"], "TaskFailedToStart")
        self.assertRegex(task["stoppedReason"], "/absent.*: no such file or directory$")
        return ecs

    def assert_no_orphans(self, ecs):
        """Without a pid namespace it is not the kernel that ends them."""
        arn = ecs.run(ecs.define(), ["orphan"])
        self.assertEqual(ecs.wait(arn)["containers"][0]["exitCode"], 0)
        pid = int(ecs.lines(arn)[0])
        self.assertFalse(os.path.exists(f"/proc/{pid}"), "a child of the task outlived it")

    def assert_sees_only_its_image(self, ecs):
        arn = ecs.run(ecs.define(), ["look", "/"])
        ecs.wait(arn)
        self.assertEqual(sorted(ecs.lines(arn)), ["dev", "etc", "extra", "pid 1", "probe", "proc"])
        arn = ecs.run(ecs.define({"user": "65532:65532", "workingDirectory": "/proc"}), ["who"])
        ecs.wait(arn)
        self.assertEqual(ecs.lines(arn), ["uid 65532 gid 65532 cwd /proc"])
        task = ecs.finish(ecs.define({"readonlyRootFilesystem": True}), ["touch", "/written"])
        self.assertEqual(task["containers"][0]["exitCode"], 30)  # EROFS
        for command, code in (("segfault", 139), ("abort", 139)):
            task = ecs.finish(ecs.define(), [command])
            self.assertEqual(task["containers"][0]["exitCode"], code)

    def test_user_namespaces(self):
        ecs = self.run_in("user-namespaces")
        self.assertIn("user, mount and pid namespaces", ecs.sandbox.log())
        self.assert_sees_only_its_image(ecs)

    @about("bubblewrap")
    def test_bubblewrap(self):
        ecs = self.run_in("bubblewrap")
        self.assertIn("processes without Docker: bubblewrap", ecs.sandbox.log())
        self.assert_sees_only_its_image(ecs)

    @unittest.skipUnless(os.geteuid() == 0, "only root may chroot")
    def test_chroot(self):
        ecs = self.run_in("chroot")
        self.assertIn("a chroot as root", ecs.sandbox.log())
        # Whoever may change the root again gets out of it.
        task = ecs.finish(ecs.define({"user": "0"}), ["root"])
        self.assertEqual(task["containers"][0]["exitCode"], 1)  # EPERM
        self.assert_no_orphans(ecs)

    def test_in_place(self):
        ecs = self.run_in("in-place")
        self.assertIn("programs start in place", ecs.sandbox.log())
        self.assert_no_orphans(ecs)


class Users(unittest.TestCase):
    def test_a_table_that_would_fill_the_memory(self):
        with tempfile.TemporaryDirectory() as root:
            os.mkdir(os.path.join(root, "etc"))
            with open(os.path.join(root, "etc/passwd"), "w") as file:
                file.write("app:x:7:8::/home/app:\n")
            self.assertEqual(find_user(root, "app"), (7, 8, [], "/home/app"))
            os.truncate(os.path.join(root, "etc/passwd"), 8 * 1024**3)
            with self.assertRaisesRegex(EngineError, "/etc/passwd has more than"):
                find_user(root, "app")


class Leftovers(unittest.TestCase):
    def setUp(self):
        self.state_dir = tempfile.mkdtemp(prefix="sandbox-test-")
        self.addCleanup(shutil.rmtree, self.state_dir, ignore_errors=True)

    def start(self, isolation=ISOLATIONS[0]):
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

    def assert_ten_die_with_a_killed_sandbox_and_the_next_one_cleans_up(self, isolation):
        sandbox = self.start(isolation)
        pids = self.run_ten(sandbox)
        sandbox.stop(signal.SIGKILL)
        self.assert_ended(pids)
        self.start(isolation).close()
        self.assertEqual(os.listdir(f"{self.state_dir}/engine/containers"), [])
        with open("/proc/self/mountinfo") as file:
            self.assertNotIn(self.state_dir, file.read())

    def test_ten_tasks_die_with_a_killed_sandbox_and_the_next_one_cleans_up(self):
        for isolation in ISOLATIONS:
            with self.subTest(isolation):
                self.assert_ten_die_with_a_killed_sandbox_and_the_next_one_cleans_up(isolation)

    @about("bubblewrap")
    def test_ten_tasks_in_bubblewrap_die_too(self):
        self.assert_ten_die_with_a_killed_sandbox_and_the_next_one_cleans_up("bubblewrap")

    def test_sigterm_ends_them_too(self):
        sandbox = self.start()
        pids = self.run_ten(sandbox)
        self.assertEqual(sandbox.stop(), 0, sandbox.log())
        self.assert_ended(pids)
        for folder in ("containers", "layers"):
            self.assertEqual(os.listdir(f"{self.state_dir}/engine/{folder}"), [])
        self.assertEqual(os.listdir(f"{self.state_dir}/engine/images"), ["names"])


class Platforms(EngineTest):
    engine, about = "process", "nothing"

    def test_an_image_of_another_machine_is_refused(self):
        other = "arm64" if images.architecture() == "amd64" else "amd64"
        with open(probe(), "rb") as file:
            layer = images.tar(images.entry("probe", file.read()))
        registry = images.Registry(self.ecs.sandbox)
        image = registry.push("other", [(layer, images.LAYER)], {"Entrypoint": ["/probe"]}, other)
        task = self.ecs.finish(self.ecs.define({"image": image}), ["exit", "0"])
        self.assertIn("the process engine does not emulate", task["stoppedReason"])
