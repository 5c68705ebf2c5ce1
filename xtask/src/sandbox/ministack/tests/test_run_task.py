"""RunTask refuses what AWS refuses, in its words, and is idempotent."""

import threading
import unittest

from botocore.exceptions import ClientError

from .sandbox import CLUSTER, shared


class Refusals(unittest.TestCase):
    def setUp(self):
        self.ecs = shared()
        self.definition = self.ecs.define()

    def refuse(self, code, message, definition=None, **options):
        with self.assertRaises(ClientError) as caught:
            self.ecs.call(definition or self.definition, **options)
        error = caught.exception.response["Error"]
        self.assertEqual((error["Code"], error["Message"]), (code, message))

    def test_clusters_and_task_definitions(self):
        self.refuse("ClusterNotFoundException", "Cluster not found.", cluster="absent")
        self.refuse("ClientException", "TaskDefinition not found.", "absent")
        inactive = self.ecs.define(family="inactive")
        self.ecs.ecs.deregister_task_definition(taskDefinition=inactive)
        self.refuse("InvalidParameterException", "TaskDefinition is inactive", inactive)

    def test_overrides(self):
        self.refuse(
            "InvalidParameterException",
            "Override for container named other is not a container in the TaskDefinition.",
            overrides={"containerOverrides": [{"name": "other", "command": ["x"]}]},
        )
        self.refuse(
            "InvalidParameterException",
            "Container Overrides length must be at most 8192",
            overrides={"containerOverrides": [{"name": "task", "command": ["x" * 9000]}]},
        )

    def test_network_configuration(self):
        self.refuse(
            "InvalidParameterException",
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
            networkConfiguration={},
        )

    def test_a_family_is_its_latest_active_revision(self):
        self.ecs.define({"command": ["exit", "1"]}, family="revisions")
        active = self.ecs.define(
            {"name": "revisions", "command": ["exit", "2"]}, family="revisions"
        )
        latest = self.ecs.define(family="revisions")
        self.ecs.ecs.deregister_task_definition(taskDefinition=latest)
        task = self.ecs.wait(self.ecs.call("revisions")["tasks"][0]["taskArn"])
        self.assertEqual(task["taskDefinitionArn"], active)
        self.assertEqual(task["containers"][0]["exitCode"], 2)

    def test_tags_of_the_definition(self):
        definition = self.ecs.define(tags=[{"key": "team", "value": "red"}])
        arn = self.ecs.run(definition, ["exit", "0"], propagateTags="TASK_DEFINITION")
        shown = self.ecs.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn], include=["TAGS"])
        self.assertEqual(shown["tasks"][0]["tags"], [{"key": "team", "value": "red"}])


class ClientToken(unittest.TestCase):
    def setUp(self):
        self.ecs = shared()
        self.definition = self.ecs.define({"command": ["exit", "0"]})

    def test_the_same_call_returns_the_same_task(self):
        first = self.ecs.run(self.definition, clientToken="same")
        self.ecs.wait(first)
        again = self.ecs.call(self.definition, clientToken="same")["tasks"][0]
        self.assertEqual((again["taskArn"], again["lastStatus"]), (first, "STOPPED"))

    def test_another_call_is_a_conflict_that_names_the_task(self):
        first = self.ecs.run(self.definition, clientToken="conflict")
        with self.assertRaises(self.ecs.ecs.exceptions.ConflictException) as caught:
            self.ecs.run(self.definition, ["exit", "1"], clientToken="conflict")
        self.assertEqual(caught.exception.response["resourceIds"], [first])

    def test_a_refused_call_does_not_use_the_token_up(self):
        with self.assertRaises(ClientError):
            self.ecs.call("absent", clientToken="refused")
        self.assertTrue(self.ecs.run(self.definition, clientToken="refused"))

    def test_many_calls_at_once_start_one_task(self):
        arns = []
        threads = [
            threading.Thread(
                target=lambda: arns.append(self.ecs.run(self.definition, clientToken="many"))
            )
            for _call in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(arns), len(set(arns))), (16, 1))
