"""A real sandbox for the tests: the package as its own process, and images in its registry."""

import atexit
import base64
import glob
import json
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

import botocore.session

from . import images

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLUSTER = "api-test"
LOG_GROUP = "service/api-test/ecs-tasks"
STARTED_WITHIN = 20


# For tests that hold for any engine: the one that a user of this machine has.
ANY_ENGINE = "docker" if shutil.which("docker") else "process"


def about(program):
    """Marks a test that is about a program, which tests/__init__.py chooses by."""

    def mark(test):
        test.about = program
        return test

    return mark


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def docker(*arguments, **options):
    """Run the docker command; the tests need it and fail without it."""
    if not shutil.which("docker"):
        raise AssertionError("these tests need a Docker Engine, and there is no docker command")
    result = subprocess.run(["docker", *arguments], capture_output=True, **options)
    if result.returncode != 0:
        raise AssertionError(f"docker {' '.join(arguments)}: {result.stderr.decode()}")
    return result.stdout.decode().strip()


class Sandbox:
    def __init__(self, state_dir=None, port=None, environment=None, engine=ANY_ENGINE):
        self.engine = engine
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.own_state_dir = state_dir is None
        self.state_dir = state_dir or tempfile.mkdtemp(prefix="sandbox-test-")
        self.log_path = os.path.join(self.state_dir, "log")
        self.images = set()
        self.environment = {
            **os.environ,
            "PYTHONPATH": FOLDER,
            "GATEWAY_PORT": str(self.port),
            "SANDBOX_STATE_DIR": self.state_dir,
            "SANDBOX_ENGINE": engine,
            "SANDBOX_CONTROL_BUCKETS": "control",
            **(environment or {}),
        }
        try:
            self.start()
        except AssertionError:
            self.close()
            raise

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sandbox_extension"],
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + STARTED_WITHIN
        while True:
            try:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError("the sandbox did not start:\n" + self.log())
                urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=1)
                # Another sandbox on the same port would have answered as well.
                if "Ready" in self.log():
                    return
            except OSError:
                pass
            time.sleep(0.05)

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def keys(self):
        """The secrets that it made up at its first start."""
        with open(os.path.join(self.state_dir, "keys.json")) as file:
            return json.load(file)

    def client(self, service, region="us-east-1", who="control", **options):
        """A client with the key of its owner, or of its tasks."""
        keys = self.keys()
        return botocore.session.get_session().create_client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=keys[f"{who}_id"],
            aws_secret_access_key=keys[f"{who}_secret"],
            **options,
        )

    def login(self):
        """What the registry asks for: the header Authorization."""
        pair = f"AWS:{self.keys()['registry_password']}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def token(self):
        """What MiniStack's own switches and GitHub's stand-in ask for."""
        return {"Authorization": f"Bearer {self.keys()['github_token']}"}

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)
        return self.process.returncode

    def close(self):
        self.stop()
        for image in self.images:
            subprocess.run(["docker", "rmi", image], capture_output=True)
        if self.own_state_dir:
            shutil.rmtree(self.state_dir, ignore_errors=True)

    def push(self, repository="api", tag="v1", extra=b"", pushed=True):
        """Make the test program's image and push it; returns its name in the registry."""
        image = f"localhost:{self.port}/{repository}:{tag}"
        if self.engine == "process":
            with open(probe(), "rb") as file:
                layer = images.tar(images.entry("probe", file.read()), images.entry("extra", extra))
            if pushed:
                images.Registry(self, repository).push(
                    tag, [(layer, images.LAYER + "+gzip")], {"Entrypoint": ["/probe"]}
                )
            return image
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(probe(), os.path.join(folder, "probe"))
            with open(os.path.join(folder, "extra"), "wb") as file:
                file.write(extra)
            archive = os.path.join(folder, "root.tar")
            subprocess.run(["tar", "-C", folder, "-cf", archive, "probe", "extra"], check=True)
            docker("import", "-c", 'ENTRYPOINT ["/probe"]', archive, image)
        self.images.add(image)
        if pushed:
            self.docker("push", image)
        return image

    def docker(self, *arguments):
        """The docker command, logged in to this sandbox's registry."""
        with tempfile.TemporaryDirectory() as folder:
            auth = self.login()["Authorization"].removeprefix("Basic ")
            with open(os.path.join(folder, "config.json"), "w") as file:
                json.dump({"auths": {f"localhost:{self.port}": {"auth": auth}}}, file)
            return docker("--config", folder, *arguments)

    def containers(self, arn=None):
        """The IDs of a task's containers, or of all; for processes only those that run."""
        if self.engine == "docker":
            label = (
                f"com.amazonaws.ecs.task-arn={arn}"
                if arn
                else f"sandbox.state-dir={self.state_dir}"
            )
            return docker("ps", "-aq", "--filter", f"label={label}").split()
        return [
            record["id"]
            for record in self.records()
            if arn in (None, record["labels"]["com.amazonaws.ecs.task-arn"])
        ]

    def records(self):
        """What the process engine writes down of each of its containers."""
        found = []
        for path in glob.glob(os.path.join(self.state_dir, "engine/containers/*/record.json")):
            try:
                with open(path) as file:
                    found.append(json.load(file))
            except FileNotFoundError:
                # It was removed a moment ago.
                continue
        return found

    def kill(self, arn):
        """SIGKILL to the first process of a task's containers, behind the engine's back."""
        for container in self.containers(arn):
            if self.engine == "docker":
                docker("kill", container)
        for record in self.records():
            if record["labels"]["com.amazonaws.ecs.task-arn"] == arn:
                os.kill(record["processes"][-1]["pid"], signal.SIGKILL)


_probe = None


def probe():
    """The static test program, compiled once."""
    global _probe
    if _probe is None:
        folder = tempfile.mkdtemp(prefix="sandbox-probe-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe.c")
        compiler = shutil.which("gcc") or shutil.which("cc")
        if not compiler:
            raise AssertionError("these tests need a C compiler that links statically")
        subprocess.run([compiler, "-O1", "-static", "-o", f"{folder}/probe", source], check=True)
        _probe = f"{folder}/probe"
    return _probe


_shared = {}


def shared(engine=ANY_ENGINE):
    """An engine's one sandbox, with a cluster in it, for tests which need none of their own."""
    if engine not in _shared:
        sandbox = Sandbox(engine=engine)
        atexit.register(sandbox.close)
        _shared[engine] = Ecs(sandbox)
    return _shared[engine]


class EngineTest(unittest.TestCase):
    """Tests that hold for both engines; one that has no name is the machine's own."""

    engine = ANY_ENGINE

    def setUp(self):
        self.ecs = shared(self.engine)


class Ecs:
    """A cluster, a log group and a repository in a sandbox, and short words for using them."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.ecs = sandbox.client("ecs")
        self.logs = sandbox.client("logs")
        self.ecr = sandbox.client("ecr")
        self.ecs.create_cluster(clusterName=CLUSTER)
        self.logs.create_log_group(logGroupName=LOG_GROUP)
        self.ecr.create_repository(repositoryName="api")
        self.image = sandbox.push()

    def define(self, *containers, family="task", **options):
        """Register a task definition; returns its ARN. A container is a dict of what differs."""
        definitions = []
        for container in containers or ({},):
            definitions.append(
                {
                    "name": family,
                    "image": self.image,
                    "essential": True,
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {
                            "awslogs-group": LOG_GROUP,
                            "awslogs-region": "us-east-1",
                            "awslogs-stream-prefix": "ecs",
                        },
                    },
                    **container,
                }
            )
        settings = {
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            **options,
        }
        answer = self.ecs.register_task_definition(
            family=family, containerDefinitions=definitions, **settings
        )
        return answer["taskDefinition"]["taskDefinitionArn"]

    def run(self, definition, command=None, **options):
        """RunTask; returns the task's ARN."""
        if command is not None:
            family = definition.rsplit("/", 1)[-1].split(":")[0]
            options["overrides"] = {"containerOverrides": [{"name": family, "command": command}]}
        return self.call(definition, **options)["tasks"][0]["taskArn"]

    def call(self, definition, **options):
        return self.ecs.run_task(
            **{
                "cluster": CLUSTER,
                "taskDefinition": definition,
                "launchType": "FARGATE",
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
                **options,
            }
        )

    def describe(self, arn):
        return self.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]

    def wait(self, arn, status="STOPPED", seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            task = self.describe(arn)
            if task["lastStatus"] == status:
                return task
            if task["lastStatus"] == "STOPPED" or time.monotonic() > deadline:
                raise AssertionError(
                    f"the task is not {status}: {json.dumps(task, default=str)}\n"
                    + self.sandbox.log()[-4000:]
                )
            time.sleep(0.02)

    def finish(self, definition, command=None, **options):
        """Run a task to its end; returns it."""
        return self.wait(self.run(definition, command, **options))

    def wait_for_line(self, arn, line, container="task"):
        deadline = time.monotonic() + 30
        while line not in self.lines(arn, container):
            if time.monotonic() > deadline:
                raise AssertionError(f"no line {line!r} in the log of {arn}")
            time.sleep(0.05)

    def lines(self, arn, container="task"):
        return [event["message"] for event in self.events(arn, container)]

    def events(self, arn, container="task"):
        stream = f"ecs/{container}/{arn.rsplit('/', 1)[-1]}"
        events, token = [], None
        while True:
            options = {"nextToken": token} if token else {}
            try:
                page = self.logs.get_log_events(
                    logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True, **options
                )
            except self.logs.exceptions.ResourceNotFoundException:
                return events
            events += page["events"]
            if page["nextForwardToken"] == token:
                return events
            token = page["nextForwardToken"]
