"""Nobody gets in without the secrets, and tasks only as far as their data."""

import hashlib
import itertools
import json
import os
import stat
import unittest
import urllib.error
import urllib.request
from datetime import datetime
from unittest import mock

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from sandbox_extension import gate, harmless

from .sandbox import CLUSTER, LOG_GROUP, about, docker, free_port, shared

ECS = "AmazonEC2ContainerServiceV20141113"
JSON = "application/x-amz-json-1.1"
FORM = "application/x-www-form-urlencoded"
TASK = json.dumps({"family": "evil", "containerDefinitions": [{"name": "a", "image": "a"}]})


class GateTest(unittest.TestCase):
    def setUp(self):
        self.ecs = shared()
        self.sandbox = self.ecs.sandbox
        self.url = self.sandbox.url
        self.keys = self.sandbox.keys()

    def send(self, method, path, headers=None, body=b""):
        request = urllib.request.Request(
            self.url + path, method=method, data=body or None, headers=headers or {}
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def sign(self, who, service, method, path, headers=None, body=b"", region="us-east-1"):
        """The headers of a signed call."""
        request = AWSRequest(method=method, url=self.url + path, data=body, headers=headers or {})
        pair = Credentials(self.keys[f"{who}_id"], self.keys[f"{who}_secret"])
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(pair, service, region).add_auth(request)
        return dict(request.headers.items())


class Refusals(unittest.TestCase):
    def test_nobody_fills_the_disk_with_them(self):
        with (
            self.assertLogs("sandbox.gate") as logged,
            mock.patch.object(gate, "_refusals", itertools.count(1)),
        ):
            for _ in range(gate.LOGGED_REFUSALS + 10):
                gate.log_refusal("GET", "/" * 100_000, "not signed")
        self.assertEqual(len(logged.output), gate.LOGGED_REFUSALS + 1)
        self.assertLess(len(logged.output[0]), 400)
        self.assertIn("no other one is written down", logged.output[-1])


class Strangers(GateTest):
    def test_a_call_without_the_secrets_is_refused_at_every_door(self):
        for method, path, headers, body in (
            (
                "POST",
                "/",
                {"X-Amz-Target": f"{ECS}.RegisterTaskDefinition", "Content-Type": JSON},
                TASK,
            ),
            ("GET", "/?Action=CreateQueue&QueueName=evil", {}, ""),
            ("POST", "/", {"Content-Type": FORM}, "Action=CreateQueue&QueueName=evil"),
            ("GET", "/some-bucket/some.tfstate", {}, ""),
            ("PUT", "/some-bucket", {}, ""),
            ("OPTIONS", "/", {}, ""),
            ("GET", "/v2/", {}, ""),
            ("GET", "/v2/api/manifests/v1", {}, ""),
            ("GET", "/v2/apis", {}, ""),
            ("GET", "/v2/credentials/00000000-0000-0000-0000-000000000000", {}, ""),
            ("GET", f"/v4/{'a' * 43}", {"X-Amz-Target": f"{ECS}.ListClusters"}, "{}"),
            ("GET", "/_github/user", {}, ""),
            ("GET", "/_github/user", {"Authorization": "Bearer sandbox"}, ""),
            ("POST", "/_github/_control/reset", {}, ""),
            ("POST", "/_ministack/reset", {}, ""),
            ("POST", "/_ministack/config", {}, "{}"),
            ("GET", "/_localstack/health", {}, ""),
            ("GET", "/_aws/sqs/messages", {}, ""),
        ):
            with self.subTest(f"{method} {path}"):
                status, text = self.send(method, path, headers, body.encode())
                self.assertIn(
                    status, (401, 403, 404) if path.startswith("/v4") else (401, 403), text
                )
        self.assertNotIn("evil", str(self.sandbox.client("sqs").list_queues()))

    def test_what_a_stranger_asks_for_writes_no_lines_into_the_log(self):
        for path in ("/a%0aforged%1b[2J", "/_github/a%0aforged%1b[2J"):
            self.assertIn(self.send("GET", path)[0], (401, 403))
        self.assertEqual(self.send("GET", "/", {"Host": "a\x1b[2J"})[0], 403)
        form, body = {"Content-Type": FORM}, b"Action=GetCallerIdentity"
        signed = self.sign("tasks", "sts", "POST", "/", form, body)
        named = {"Amz-Sdk-Request": "attempt=2", "Amz-Sdk-Invocation-Id": "a\x1b[2J"}
        self.assertEqual(self.send("POST", "/", {**signed, **named}, body)[0], 200)
        self.assertIn("forged", self.sandbox.log())
        self.assertNotIn("\nforged", self.sandbox.log())
        self.assertNotIn("\x1b[2J", self.sandbox.log())

    def test_the_health_answers_everybody_with_nothing(self):
        self.assertEqual(self.send("GET", "/_ministack/health"), (200, '{"status": "ok"}'))

    def test_a_proof_tells_the_secret_to_nobody(self):
        one, other = (self.send("GET", f"/_sandbox/proof?{each}")[1] for each in "ab")
        self.assertNotEqual(one, other)
        for secret in self.keys.values():
            self.assertNotIn(secret, one)

    def test_the_secrets_are_their_owners_alone(self):
        mode = os.stat(os.path.join(self.sandbox.state_dir, "keys.json")).st_mode
        self.assertEqual(stat.S_IMODE(mode), 0o600)

    def test_a_signature_is_checked(self):
        path = "/a-bucket?list-type=2"
        good = self.sign("control", "s3", "GET", path)
        self.assertEqual(self.send("GET", path, good)[0], 404)
        key = self.keys["control_id"]
        for why, headers, sent, body in (
            ("another path", good, "/b-bucket?list-type=2", b""),
            ("another query", good, "/a-bucket?list-type=1", b""),
            ("another key", change(good, key, "AKIAIOSFODNN7EXAMPLE"), path, b""),
            ("the tasks' key", change(good, key, self.keys["tasks_id"]), path, b""),
            ("another service", change(good, "/s3/", "/ecs/"), path, b""),
            ("an unsigned host", change(good, "SignedHeaders=host;", "SignedHeaders="), path, b""),
            (
                "no signature",
                {**good, "Authorization": f"AWS4-HMAC-SHA256 Credential={key}/"},
                path,
                b"",
            ),
            ("the old signature", {"Authorization": f"AWS {key}:x"}, path, b""),
            ("a token", self.sandbox.token(), path, b""),
            ("the old times", {**good, "X-Amz-Date": "20200101T000000Z"}, path, b""),
        ):
            with self.subTest(why):
                status, text = self.send("GET", sent, headers, body)
                self.assertEqual(status, 403, text)

    def test_a_body_is_covered(self):
        for declared in (True, False):
            headers = {"X-Amz-Target": f"{ECS}.ListClusters", "Content-Type": JSON}
            if declared:
                headers["X-Amz-Content-Sha256"] = hashlib.sha256(b"{}").hexdigest()
            signed = self.sign("control", "ecs", "POST", "/", headers, b"{}")
            self.assertEqual(self.send("POST", "/", signed, b"{}")[0], 200)
            self.assertIn(self.send("POST", "/", signed, b'{"maxResults": 1}')[0], (400, 403))

    def test_an_address_that_is_signed_is_good_until_it_expires(self):
        s3 = self.sandbox.client("s3")
        s3.create_bucket(Bucket="presigned")
        s3.put_object(Bucket="presigned", Key="a b/ü", Body=b"content")
        named = {"Bucket": "presigned", "Key": "a b/ü"}
        s3 = self.sandbox.client("s3", config=Config(signature_version="s3v4"))
        url = s3.generate_presigned_url("get_object", Params=named, ExpiresIn=60)
        path = url.removeprefix(self.url)
        self.assertEqual(self.send("GET", path), (200, "content"))
        for other in (
            path.replace("Expires=60", "Expires=600"),
            path.replace("presigned/a", "presigned/b"),
        ):
            self.assertEqual(self.send("GET", other)[0], 403, other)
        with mock.patch("botocore.auth.get_current_datetime", lambda: datetime(2026, 1, 1)):
            past = s3.generate_presigned_url("get_object", Params=named, ExpiresIn=60)
        status, text = self.send("GET", past.removeprefix(self.url))
        self.assertEqual((status, "Request has expired" in text), (403, True), text)

    def test_what_is_added_to_a_signed_call_is_refused(self):
        self.sandbox.client("s3").create_bucket(Bucket="handed-out")
        s3 = self.sandbox.client("s3", config=Config(signature_version="s3v4"))
        target, json_type = f"{ECS}.ListClusters", {"Content-Type": JSON}
        for method, call, headers in (
            ("GET", "get_object", {"X-Amz-Target": target, **json_type}),
            ("PUT", "put_object", {"X-Amz-Copy-Source": "control/state.tfstate"}),
            ("PUT", "put_object", {"X-Amz-Acl": "public-read"}),
        ):
            named = {"Bucket": "handed-out", "Key": "a"}
            path = s3.generate_presigned_url(call, Params=named).removeprefix(self.url)
            with self.subTest(headers):
                status, text = self.send(method, path, headers, b"{}")
                self.assertEqual(status, 403, text)
        path = "/?Action=GetCallerIdentity&Version=2011-06-15"
        signed = self.sign("control", "sts", "GET", path)
        self.assertEqual(self.send("GET", path, {**signed, "X-Amz-User-Agent": "a"})[0], 200)
        self.assertEqual(self.send("GET", path, {**signed, "X-Amz-Target": target})[0], 403)

    def test_the_token_and_the_password_open_no_other_door(self):
        target = {"X-Amz-Target": f"{ECS}.ListClusters", "Content-Type": JSON}
        for method, path, who in (
            ("POST", "/_ministack/anything", self.sandbox.token()),
            ("GET", "/_ministack/reset", self.sandbox.token()),
            ("POST", "/_ministack/", self.sandbox.token()),
            ("POST", "/", self.sandbox.token()),
            ("POST", "/v2/", self.sandbox.login()),
            ("POST", "/v2/api/anything", self.sandbox.login()),
            ("POST", "/", self.sandbox.login()),
        ):
            with self.subTest(f"{method} {path}"):
                status, text = self.send(method, path, {**target, **who}, b"{}")
                self.assertIn(status, (403, 404, 405), text)

    def test_a_page_and_another_name_are_refused_with_the_right_signature_too(self):
        path = "/?Action=GetCallerIdentity&Version=2011-06-15"
        signed = self.sign("control", "sts", "GET", path)
        self.assertEqual(self.send("GET", path, signed)[0], 200)
        self.assertEqual(self.send("GET", path, {**signed, "Sec-Fetch-Site": "cross-site"})[0], 403)
        signed = self.sign("control", "sts", "GET", path, {"Host": "evil.com"})
        self.assertEqual(self.send("GET", path, signed)[0], 403)


def change(headers, what, into):
    authorization = headers["Authorization"]
    assert what in authorization
    return {**headers, "Authorization": authorization.replace(what, into)}


class Tasks(GateTest):
    def setUp(self):
        super().setUp()
        s3 = self.sandbox.client("s3")
        for bucket in ("data", "other-data"):
            s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket="data", Key="in/a.csv", Body=b"a")
        self.sandbox.client("ssm").put_parameter(
            Name="/a", Value="b", Type="String", Overwrite=True
        )

    def client(self, service):
        return self.sandbox.client(service, who="tasks")

    def test_data_is_theirs(self):
        s3 = self.client("s3")
        self.assertEqual(s3.get_object(Bucket="data", Key="in/a.csv")["Body"].read(), b"a")
        self.assertEqual(s3.list_objects_v2(Bucket="data")["KeyCount"], 1)
        s3.put_object(Bucket="other-data", Key="out", Body=b"b" * 100_000)
        s3.copy_object(Bucket="other-data", Key="copy", CopySource="data/in/a.csv")
        s3.delete_objects(Bucket="other-data", Delete={"Objects": [{"Key": "copy"}]})
        upload = s3.create_multipart_upload(Bucket="other-data", Key="parts")["UploadId"]
        s3.upload_part(Bucket="other-data", Key="parts", UploadId=upload, PartNumber=1, Body=b"c")
        self.assertEqual(self.client("ssm").get_parameter(Name="/a")["Parameter"]["Value"], "b")
        self.assertEqual(self.client("sts").get_caller_identity()["Account"], "000000000000")
        self.client("logs").create_log_stream(logGroupName=LOG_GROUP, logStreamName="own")
        self.client("events").put_events(
            Entries=[{"Source": "a", "DetailType": "b", "Detail": "{}"}]
        )
        self.client("cloudwatch").put_metric_data(
            Namespace="a", MetricData=[{"MetricName": "m", "Value": 1}]
        )

    def test_the_control_plane_is_not(self):
        definition = self.ecs.define()
        network = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
        role = {"RoleName": "a", "AssumeRolePolicyDocument": "{}"}
        containers = [{"name": "a", "image": self.ecs.image}]
        s3_rule = {"Bucket": "data", "Key": "in/a.csv", "CopySource": "control/state.tfstate"}
        for service, call, options in (
            (
                "ecs",
                "register_task_definition",
                {"family": "a", "containerDefinitions": containers},
            ),
            (
                "ecs",
                "run_task",
                {"cluster": CLUSTER, "taskDefinition": definition, "networkConfiguration": network},
            ),
            ("ecs", "stop_task", {"cluster": CLUSTER, "task": "a"}),
            ("ecs", "list_clusters", {}),
            ("iam", "create_role", role),
            ("iam", "list_roles", {}),
            (
                "sts",
                "assume_role",
                {"RoleArn": "arn:aws:iam::000000000000:role/a", "RoleSessionName": "task"},
            ),
            ("scheduler", "list_schedules", {}),
            ("events", "put_targets", {"Rule": "a", "Targets": [{"Id": "a", "Arn": "a"}]}),
            ("events", "put_rule", {"Name": "a", "EventPattern": "{}"}),
            ("ecr", "get_authorization_token", {}),
            ("ecr", "put_image", {"repositoryName": "api", "imageManifest": "{}"}),
            ("lambda", "list_functions", {}),
            (
                "ssm",
                "put_parameter",
                {"Name": "/a", "Value": "c", "Type": "String", "Overwrite": True},
            ),
            ("logs", "delete_log_group", {"logGroupName": LOG_GROUP}),
            ("sqs", "create_queue", {"QueueName": "a"}),
            ("s3", "list_buckets", {}),
            ("s3", "create_bucket", {"Bucket": "mine"}),
            ("s3", "delete_bucket", {"Bucket": "data"}),
            ("s3", "put_bucket_policy", {"Bucket": "data", "Policy": "{}"}),
            ("s3", "get_object", {"Bucket": "control", "Key": "state.tfstate"}),
            ("s3", "put_object", {"Bucket": "control", "Key": "holds/test.json"}),
            ("s3", "copy_object", s3_rule),
            ("s3", "get_object", {"Bucket": "no-bucket", "Key": "a"}),
        ):
            with self.subTest(f"{service} {call}"), self.assertRaises(ClientError) as caught:
                getattr(self.client(service), call)(**options)
            self.assertIn("AccessDenied", caught.exception.response["Error"]["Code"])

    def test_a_bucket_with_a_state_is_not_whatever_it_is_called(self):
        state = json.dumps({"version": 4, "terraform_version": "1.11.4", "lineage": "a"})
        owner, task = self.sandbox.client("s3"), self.client("s3")
        owner.create_bucket(Bucket="elsewhere")
        owner.put_object(Bucket="elsewhere", Key="notes", Body="lineage")
        self.assertTrue(task.get_object(Bucket="elsewhere", Key="notes"))
        owner.put_object(Bucket="elsewhere", Key="any/name", Body=state)
        owner.create_bucket(Bucket="in-the-host")
        host = {"Host": f"in-the-host.localhost:{self.sandbox.port}"}
        signed = self.sign("control", "s3", "PUT", "/any/name", host, state.encode())
        self.assertEqual(self.send("PUT", "/any/name", signed, state.encode())[0], 200)
        for bucket, key in (
            ("elsewhere", "notes"),
            ("elsewhere", "any/name"),
            ("in-the-host", "any/name"),
        ):
            with self.subTest(bucket), self.assertRaises(ClientError) as caught:
                task.get_object(Bucket=bucket, Key=key)
            self.assertEqual(caught.exception.response["Error"]["Code"], "AccessDenied")

    def test_a_call_that_can_be_read_in_two_ways(self):
        target = f"{ECS}.ListClusters"
        chunked = {
            "Content-Type": FORM,
            "X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "Content-Encoding": "aws-chunked",
        }
        split = b"6;&Action=GetCallerIdentity&\r\nAction\r\n9\r\n=ListRole\r\n1\r\ns\r\n0\r\n\r\n"
        for service, method, path, headers, body in (
            ("s3", "GET", "/data/in/a.csv", {"X-Amz-Target": target}, b"{}"),
            ("s3", "GET", "/data/in/a.csv?Action=ListRoles", {"Host": "iam.localhost"}, b""),
            ("s3", "GET", "/state.tfstate", {"Host": "control.localhost"}, b""),
            (
                "sts",
                "POST",
                "/?Action=ListRoles",
                {"Content-Type": FORM},
                b"Action=GetCallerIdentity",
            ),
            (
                "sts",
                "POST",
                "/",
                {"Content-Type": FORM},
                b"Action=GetCallerIdentity&Action=AssumeRole",
            ),
            ("iam", "POST", "/", {"Content-Type": FORM}, b"Action=GetCallerIdentity"),
            ("iam", "POST", "/", chunked, split),
            (
                "ssm",
                "POST",
                "/",
                {"X-Amz-Target": f"AmazonSSM.GetParameter, {target}", "Content-Type": JSON},
                b"{}",
            ),
            (
                "ssm",
                "POST",
                "/clusters",
                {"X-Amz-Target": "AmazonSSM.GetParameter", "Content-Type": JSON},
                b"{}",
            ),
            ("s3", "PUT", "/data/b", {"X-Amz-Copy-Source": "%63ontrol/state.tfstate"}, b""),
            ("s3", "PUT", "/data/b", {"X-Amz-Copy-Source": "%2563ontrol/state.tfstate"}, b""),
            ("s3", "PUT", "/data/b?x-amz-copy-source=control%2Fstate.tfstate", {}, b""),
            ("s3", "PUT", "/data/b?X-Amz-Copy-Source=%2563ontrol%2Fstate.tfstate", {}, b""),
            (
                "s3",
                "PUT",
                "/data/b?x-amz-copy-source=data%2Fa&X-AMZ-Copy-Source=control%2Fa",
                {},
                b"",
            ),
            ("s3", "GET", "//control/state.tfstate", {}, b""),
        ):
            with self.subTest(f"{service} {path} {headers}"):
                signed = self.sign("tasks", service, method, path, headers, body)
                status, text = self.send(method, path, signed, body)
                self.assertIn(status, (400, 403), text)
                self.assertIn("for data alone", text)

    def test_a_scope_that_is_read_in_two_ways(self):
        form, body = {"Content-Type": FORM}, b"Action=ListRoles&Version=2010-05-08"
        call = ("tasks", "s3", "POST", "/data/a", form, body)
        named, unnamed = self.sign(*call), self.sign(*call, region="")
        twice = change(named, "Credential=", "Credential=a/20260101/us-east-1/iam/, Credential=")
        for signed in (unnamed, twice, change(named, "Credential=", "Credential=a/b, Credential=")):
            status, text = self.send("POST", "/data/a", signed, body)
            self.assertEqual((status, "ListRolesResponse" in text), (403, False), text)
        request = AWSRequest("POST", f"{self.url}/data/a")
        pair = Credentials(self.keys["tasks_id"], self.keys["tasks_secret"])
        S3SigV4QueryAuth(pair, "s3", "").add_auth(request)
        status, text = self.send("POST", request.url.removeprefix(self.url), form, body)
        self.assertEqual((status, "ListRolesResponse" in text), (403, False), text)

    def test_what_follows_a_body_is_no_header(self):
        self.sandbox.client("s3").put_object(Bucket="data", Key="secret", Body=b"content")
        for trailer in (f"x-amz-target:{ECS}.ListClusters", "x-amz-copy-source:data/secret"):
            with self.subTest(trailer):
                headers = {
                    "X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                    "X-Amz-Decoded-Content-Length": "2",
                    "X-Amz-Trailer": trailer.partition(":")[0],
                }
                body = b"2\r\n{}\r\n0\r\n" + trailer.encode() + b"\r\n\r\n"
                signed = self.sign("tasks", "s3", "PUT", "/data/trailer", headers, body)
                self.assertEqual(self.send("PUT", "/data/trailer", signed, body), (200, ""))
                found = self.client("s3").get_object(Bucket="data", Key="trailer")
                self.assertEqual(found["Body"].read(), b"{}")


class Definitions(unittest.TestCase):
    def test_what_reaches_into_this_machine_is_refused(self):
        container = {"name": "a", "image": "a"}
        for extra, of_container, words in (
            ({"volumes": [{"name": "v", "host": {"sourcePath": "/"}}]}, {}, "the volume v"),
            ({"Volumes": [{"Name": "v", "Host": {"SourcePath": "/"}}]}, {}, "the volume v"),
            (
                {"volumes": [{"name": "v", "dockerVolumeConfiguration": {"driver": "local"}}]},
                {},
                "volume",
            ),
            ({"networkMode": "host"}, {}, "networkMode host"),
            ({"pidMode": "host"}, {}, "pidMode host"),
            ({"ipcMode": "host"}, {}, "ipcMode host"),
            ({}, {"privileged": True}, "privileged"),
            ({}, {"Privileged": True}, "privileged"),
            ({}, {"linuxParameters": {"devices": [{"hostPath": "/dev/sda"}]}}, "devices"),
            ({}, {"linuxParameters": {"capabilities": {"add": ["SYS_ADMIN"]}}}, "SYS_ADMIN"),
            ({"volumes": [{"name": "v"}], "networkMode": "awsvpc", "pidMode": "task"}, {}, None),
            (
                {},
                {"linuxParameters": {"capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]}}},
                None,
            ),
        ):
            definition = {"containerDefinitions": [{**container, **of_container}], **extra}
            with self.subTest(definition):
                found = harmless.problem(definition)
                self.assertEqual(found is None, words is None, found)
                self.assertIn(words or "", found or "")

    def test_ecs_refuses_it(self):
        with self.assertRaises(ClientError) as caught:
            shared().define({"privileged": True})
        self.assertEqual(caught.exception.response["Error"]["Code"], "ClientException")

    @about("docker")
    def test_a_port_of_a_task_is_for_this_machine_alone(self):
        ecs = shared("docker")
        port = free_port()
        definition = ecs.define(
            {"portMappings": [{"containerPort": 80, "hostPort": port}]},
            networkMode="bridge",
            requiresCompatibilities=["EC2"],
        )
        arn = ecs.run(definition, ["wait", "0"])
        ecs.wait_for_line(arn, "waiting")
        published = docker("port", *ecs.sandbox.containers(arn))
        ecs.ecs.stop_task(cluster=CLUSTER, task=arn)
        self.assertEqual(published, f"80/tcp -> 127.0.0.1:{port}")
