"""What runs is what the registry holds, with what the task definition says."""

from . import images
from .sandbox import CLUSTER, EngineTest


class Image(EngineTest):
    """test_process_engine.py repeats them with the other engine."""

    engine = about = "docker"

    def test_the_digest_that_ran_is_the_one_in_the_registry(self):
        task = self.ecs.finish(self.ecs.define(), ["exit", "0"])
        details = self.ecs.ecr.describe_images(repositoryName="api", imageIds=[{"imageTag": "v1"}])[
            "imageDetails"
        ][0]
        self.assertEqual(task["containers"][0]["imageDigest"], details["imageDigest"])
        self.assertEqual(task["containers"][0]["exitCode"], 0)

    def test_a_tag_that_was_pushed_again_runs_the_new_image(self):
        image = self.ecs.sandbox.push(tag="moving", extra=b"old")
        definition = self.ecs.define({"image": image})
        old = self.ecs.finish(definition, ["exit", "0"])["containers"][0]["imageDigest"]
        self.ecs.sandbox.push(tag="moving", extra=b"new")
        new = self.ecs.finish(definition, ["exit", "0"])["containers"][0]["imageDigest"]
        self.assertNotEqual(old, new)

    def test_an_image_that_only_docker_has_does_not_run(self):
        image = self.ecs.sandbox.push(tag="local-only", pushed=False)
        self.assert_not_found(image)

    def test_an_absent_repository_is_not_found(self):
        self.assert_not_found(f"localhost:{self.ecs.sandbox.port}/absent:v1")

    def assert_not_found(self, image):
        task = self.ecs.finish(self.ecs.define({"image": image}), ["exit", "0"])
        reason = (
            f"CannotPullContainerError: pull image manifest has been retried 1 time(s): "
            f"failed to resolve ref {image}: {image}: not found"
        )
        self.assertEqual((task["stopCode"], task["stoppedReason"]), ("TaskFailedToStart", reason))
        self.assertEqual(task["containers"][0]["reason"], reason)
        self.assertNotIn("exitCode", task["containers"][0])
        self.assertNotIn("startedAt", task)

    def test_another_platform_is_refused(self):
        definition = self.ecs.define(
            runtimePlatform={
                "cpuArchitecture": other_architecture(),
                "operatingSystemFamily": "LINUX",
            }
        )
        task = self.ecs.finish(definition, ["exit", "0"])
        self.assertIn("does not contain descriptor matching platform", task["stoppedReason"])

    def test_an_unreachable_registry_is_a_pull_error(self):
        task = self.ecs.finish(self.ecs.define({"image": "localhost:1/api:v1"}), ["exit", "0"])
        self.assertRegex(task["stoppedReason"], "^CannotPullContainerError: .*connection refused")


class Container(EngineTest):
    """test_process_engine.py repeats them with the other engine."""

    engine = about = "docker"

    def output(self, container, command, **options):
        task = self.ecs.run(self.ecs.define(container, **options), command)
        self.ecs.wait(task)
        return self.ecs.lines(task)

    def test_entry_point_user_and_folder(self):
        self.assertEqual(
            self.output({"user": "65532:65532", "workingDirectory": "/proc"}, ["who"]),
            ["uid 65532 gid 65532 cwd /proc"],
        )
        self.assertEqual(
            self.output({"entryPoint": ["/probe", "args"]}, ["a b", "c"]), ["[a b]", "[c]"]
        )

    def test_a_command_that_is_not_in_the_image(self):
        task = self.ecs.finish(self.ecs.define({"entryPoint": ["/absent"]}))
        self.assertEqual(task["stopCode"], "TaskFailedToStart")
        self.assertRegex(
            task["stoppedReason"],
            "^CannotStartContainerError: ResourceInitializationError: failed to "
            "create new container runtime task: .*no such file or directory",
        )
        self.assertEqual(self.ecs.sandbox.containers(task["taskArn"]), [])

    def test_environment_and_overrides(self):
        definition = self.ecs.define({"environment": [{"name": "COLOR", "value": "red"}]})
        overrides = {
            "cpu": "512",
            "memory": "1024",
            "containerOverrides": [
                {
                    "name": "task",
                    "command": ["env", "COLOR"],
                    "environment": [{"name": "COLOR", "value": "blue"}],
                }
            ],
        }
        answer = self.ecs.call(definition, overrides=overrides)["tasks"][0]
        self.assertEqual((answer["cpu"], answer["memory"]), ("512", "1024"))
        task = self.ecs.wait(answer["taskArn"])
        self.assertEqual((task["cpu"], task["memory"]), ("512", "1024"))
        self.assertEqual(self.ecs.lines(answer["taskArn"]), ["COLOR=blue"])

    def test_secrets(self):
        ssm = self.ecs.sandbox.client("ssm")
        ssm.put_parameter(Name="/api/plain", Value="p", Type="String")
        ssm.put_parameter(Name="/api/secure", Value="s3cret", Type="SecureString")
        for name, value in (("/api/plain", "p"), ("/api/secure", "s3cret")):
            lines = self.output(
                {"secrets": [{"name": "VALUE", "valueFrom": name}]}, ["env", "VALUE"]
            )
            self.assertEqual(lines, [f"VALUE={value}"])

    def test_a_missing_secret_keeps_the_task_from_starting(self):
        definition = self.ecs.define({"secrets": [{"name": "VALUE", "valueFrom": "/absent"}]})
        task = self.ecs.finish(definition, ["exit", "0"])
        self.assertEqual(task["stopCode"], "TaskFailedToStart")
        self.assertRegex(
            task["stoppedReason"],
            "^ResourceInitializationError: unable to pull secrets or registry auth: .*/absent",
        )

    def test_a_missing_log_group_keeps_the_task_from_starting(self):
        definition = self.ecs.define(
            {
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": "absent",
                        "awslogs-region": "us-east-1",
                        "awslogs-stream-prefix": "ecs",
                    },
                }
            }
        )
        task = self.ecs.finish(definition, ["exit", "0"])
        self.assertRegex(
            task["stoppedReason"],
            "failed to validate logger args: .*The specified log group does not exist",
        )

    def test_memory_limits(self):
        out_of_memory = "OutOfMemoryError: Container killed due to memory usage"
        cases = [
            ("within the container's limit", {"memory": 128}, ["allocate", "60"], {}, 0, None),
            ("above the container's", {"memory": 128}, ["allocate", "300"], {}, 137, out_of_memory),
            ("above the task's", {}, ["allocate", "700"], {}, 137, out_of_memory),
            ("within the task's override", {}, ["allocate", "700"], {"memory": "1024"}, 0, None),
        ]
        for name, container, command, overrides, code, reason in cases:
            with self.subTest(name):
                arn = self.ecs.call(
                    self.ecs.define(container),
                    overrides={
                        **overrides,
                        "containerOverrides": [{"name": "task", "command": command}],
                    },
                )["tasks"][0]["taskArn"]
                task = self.ecs.wait(arn)
                shown = task["containers"][0]
                self.assertEqual((shown.get("exitCode"), shown.get("reason")), (code, reason))
                self.assertEqual(task["stoppedReason"], "Essential container in task exited")

    def test_a_container_that_was_killed_has_no_reason(self):
        task = self.ecs.run(self.ecs.define(), ["wait", "0"])
        self.ecs.wait(task, "RUNNING")
        self.ecs.sandbox.kill(task)
        shown = self.ecs.wait(task)["containers"][0]
        self.assertEqual(shown["exitCode"], 137)
        self.assertNotIn("reason", shown)


def other_architecture():
    return "X86_64" if images.architecture() == "arm64" else "ARM64"


class ListTasks(EngineTest):
    def test_group_and_started_by(self):
        ecs = self.ecs
        definition = ecs.define(family="listed")
        arn = ecs.run(definition, ["exit", "0"], startedBy="jo")
        self.assertEqual(ecs.wait(arn)["group"], "family:listed")
        found = ecs.ecs.list_tasks(cluster=CLUSTER, startedBy="jo", desiredStatus="STOPPED")
        self.assertEqual(found["taskArns"], [arn])
