"""Nothing of a sandbox outlives it, or at least not its successor."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

from .sandbox import FOLDER, Ecs, Sandbox, docker, free_port


class Leftovers(unittest.TestCase):
    about = "docker"

    def setUp(self):
        self.state_dir = tempfile.mkdtemp(prefix="sandbox-test-")
        self.addCleanup(shutil.rmtree, self.state_dir, ignore_errors=True)
        self.sandbox = Sandbox(state_dir=self.state_dir, engine="docker")
        self.addCleanup(self.sandbox.close)

    def containers(self):
        return docker("ps", "-aq", "--filter", f"label=sandbox.state-dir={self.state_dir}").split()

    def images(self):
        listed = docker("images", "--digests", "--format", "{{.Repository}}@{{.Digest}} {{.Tag}}")
        mine = f"localhost:{self.sandbox.port}/"
        return [
            line
            for line in listed.splitlines()
            if line.startswith(mine) and line.endswith(" <none>")
        ]

    def run_a_task(self):
        ecs = Ecs(self.sandbox)
        # Only the pulled image is left then, as if it had been built on another machine.
        docker("rmi", ecs.image)
        arn = ecs.run(ecs.define(), ["stubborn"])
        ecs.wait_for_line(arn, "waiting")
        self.assertEqual(len(self.containers()), 1)
        self.assertEqual(len(self.images()), 1)

    def test_sigterm_removes_running_containers_and_pulled_images(self):
        self.run_a_task()
        started = time.monotonic()
        self.assertEqual(self.sandbox.stop(), 0, self.sandbox.log())
        self.assertLess(time.monotonic() - started, 10)
        self.assertEqual((self.containers(), self.images()), ([], []))

    def test_after_a_kill_the_next_one_on_another_port_cleans_up(self):
        self.run_a_task()
        self.sandbox.stop(signal.SIGKILL)
        self.assertEqual(len(self.containers()), 1)
        following = Sandbox(state_dir=self.state_dir, engine="docker")
        self.addCleanup(following.close)
        self.assertEqual((self.containers(), self.images()), ([], []))

    def test_a_sandbox_of_another_folder_is_left_alone(self):
        self.run_a_task()
        Sandbox().close()
        self.assertEqual(len(self.containers()), 1)

    def test_a_second_sandbox_on_the_same_port_fails_and_does_no_harm(self):
        self.run_a_task()
        with self.assertRaisesRegex(AssertionError, f"cannot serve on port {self.sandbox.port}"):
            Sandbox(port=self.sandbox.port).close()
        self.assertEqual(len(self.containers()), 1)

    def test_one_folder_one_sandbox(self):
        with open(os.path.join(self.state_dir, "second"), "wb") as log:
            second = subprocess.run(
                [sys.executable, "-m", "sandbox_extension"],
                stdout=log,
                stderr=log,
                timeout=30,
                env={**self.sandbox.environment, "GATEWAY_PORT": str(free_port())},
            )
        self.assertEqual(second.returncode, 1)
        with open(os.path.join(self.state_dir, "second")) as log:
            self.assertIn(f"is running already, as process {self.sandbox.process.pid}", log.read())

    def test_only_the_last_images_are_kept(self):
        ecs = Ecs(self.sandbox)
        for number in range(5):
            image = self.sandbox.push(tag=f"number-{number}", extra=str(number).encode())
            docker("rmi", image)
            ecs.finish(ecs.define({"image": image}), ["exit", "0"])
        self.assertEqual(len(self.images()), 3)

    def test_reset_forgets_tasks_and_tokens(self):
        self.run_a_task()
        urllib.request.urlopen(
            urllib.request.Request(
                f"{self.sandbox.url}/_ministack/reset",
                method="POST",
                data=b"",
                headers=self.sandbox.token(),
            )
        )
        self.assertEqual(self.containers(), [])
        self.assertEqual(self.sandbox.client("ecs").list_clusters()["clusterArns"], [])


class Start(unittest.TestCase):
    def start(self, **environment):
        known = {
            name: value
            for name, value in os.environ.items()
            if name not in ("GATEWAY_PORT", "SANDBOX_STATE_DIR")
        }
        return subprocess.run(
            [sys.executable, "-m", "sandbox_extension"],
            capture_output=True,
            text=True,
            timeout=30,
            env={**known, "PYTHONPATH": FOLDER, **environment},
        )

    def test_what_it_needs_to_know(self):
        result = self.start()
        self.assertEqual(result.returncode, 1)
        self.assertIn("error: GATEWAY_PORT is not set", result.stdout + result.stderr)

    def test_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with tempfile.TemporaryDirectory() as folder:
                result = self.start(GATEWAY_PORT=str(port), SANDBOX_STATE_DIR=folder)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"error: cannot serve on port {port}", result.stdout)
