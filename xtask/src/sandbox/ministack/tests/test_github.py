"""The stand-in answers as GitHub does, and as a test tells it to."""

import json
import unittest
import urllib.error
import urllib.request

from sandbox_extension import github

from .sandbox import shared

REPOSITORY = "/repos/example-org/background-tasks"
AUTO_DEPLOY = f"{REPOSITORY}/actions/workflows/api-auto-deploy.yml"


class GitHub(unittest.TestCase):
    def setUp(self):
        self.base = shared().sandbox.url + "/_github"
        self.control("POST", "reset")

    def call(self, method, path, body=None, headers=None):
        request = urllib.request.Request(
            self.base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers=shared().sandbox.token() if headers is None else headers,
        )
        try:
            with urllib.request.urlopen(request) as answer:
                content = answer.read()
                return answer.status, json.loads(content) if content else None
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def control(self, method, path, body=None):
        return self.call(method, f"/_control/{path}", body)[1]

    def test_auto_deploy_starts_disabled_and_the_other_workflow_active(self):
        status, workflow = self.call("GET", AUTO_DEPLOY)
        self.assertEqual((status, workflow["state"]), (200, "disabled_manually"))
        self.assertEqual(
            set(workflow),
            {
                "id",
                "node_id",
                "name",
                "path",
                "state",
                "created_at",
                "updated_at",
                "url",
                "html_url",
                "badge_url",
            },
        )
        self.assertEqual(workflow["path"], ".github/workflows/api-auto-deploy.yml")
        other = self.call("GET", f"{REPOSITORY}/actions/workflows/api-deploy.yml")[1]
        self.assertEqual(other["state"], "active")
        by_id = f"{REPOSITORY}/actions/workflows/{other['id']}"
        self.assertEqual(self.call("GET", by_id)[1], other)

    def test_an_environment_admits_protected_branches_alone(self):
        status, found = self.call("GET", "/repos/example-org/background-tasks/environments/test")
        self.assertEqual((status, found["name"]), (200, "test"))
        self.assertTrue(found["deployment_branch_policy"]["protected_branches"])

    def test_enable_and_disable_are_kept_by_repository(self):
        self.assertEqual(self.call("PUT", AUTO_DEPLOY + "/enable"), (204, None))
        self.assertEqual(self.call("GET", AUTO_DEPLOY)[1]["state"], "active")
        other = AUTO_DEPLOY.replace("background-tasks", "other")
        self.assertEqual(self.call("GET", other)[1]["state"], "disabled_manually")
        self.assertEqual(self.call("PUT", AUTO_DEPLOY + "/disable"), (204, None))
        self.assertEqual(self.call("GET", AUTO_DEPLOY)[1]["state"], "disabled_manually")

    def test_errors(self):
        self.assertEqual(self.call("GET", AUTO_DEPLOY, headers={})[0], 401)
        self.assertEqual(self.call("GET", AUTO_DEPLOY, headers={})[1]["message"], "Bad credentials")
        status, answer = self.call("GET", f"{REPOSITORY}/actions/workflows/absent.yml")
        self.assertEqual((status, answer["message"]), (404, "Not Found"))

    def test_dispatch(self):
        status, answer = self.call("POST", AUTO_DEPLOY + "/dispatches", {"ref": "main"})
        self.assertEqual(
            (status, answer["message"]),
            (422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow"),
        )
        self.call("PUT", AUTO_DEPLOY + "/enable")
        self.assertEqual(self.call("POST", AUTO_DEPLOY + "/dispatches", {"ref": "main"})[0], 204)
        self.assertEqual(self.call("POST", AUTO_DEPLOY + "/dispatches", {})[0], 422)
        status, answer = self.call(
            "POST", AUTO_DEPLOY + "/dispatches", {"ref": "main", "return_run_details": True}
        )
        self.assertEqual(status, 200)
        run = self.call("GET", f"{REPOSITORY}/actions/runs/{answer['workflow_run_id']}")[1]
        self.assertEqual(
            (run["event"], run["status"], run["head_branch"]),
            ("workflow_dispatch", "queued", "main"),
        )

    def test_runs_by_status_and_page(self):
        for status in ["in_progress"] * 3 + ["waiting"]:
            self.control("POST", "runs", {"workflow": "api-auto-deploy.yml", "status": status})
        runs = AUTO_DEPLOY + "/runs"
        answer = self.call("GET", runs + "?status=in_progress&per_page=2")[1]
        self.assertEqual((answer["total_count"], len(answer["workflow_runs"])), (3, 2))
        last = self.call("GET", runs + "?status=in_progress&per_page=2&page=2")[1]
        self.assertEqual(len(last["workflow_runs"]), 1)
        self.assertEqual(
            self.call("GET", runs + "?status=queued")[1], {"total_count": 0, "workflow_runs": []}
        )
        run = answer["workflow_runs"][0]
        self.assertLessEqual(
            {
                "id",
                "name",
                "head_branch",
                "head_sha",
                "event",
                "status",
                "conclusion",
                "html_url",
                "created_at",
                "run_started_at",
                "actor",
                "run_attempt",
                "path",
                "workflow_id",
            },
            set(run),
        )

    def test_a_run_ends(self):
        run = self.control(
            "POST",
            "runs",
            {"workflow": "api-auto-deploy.yml", "status": "in_progress", "actor": {"login": "jo"}},
        )
        self.control("PATCH", f"runs/{run['id']}", {"status": "completed", "conclusion": "success"})
        live = self.call("GET", AUTO_DEPLOY + "/runs?status=in_progress")[1]
        self.assertEqual(live["total_count"], 0)
        found = self.call("GET", AUTO_DEPLOY + "/runs?status=success")[1]["workflow_runs"]
        self.assertEqual([each["actor"]["login"] for each in found], ["jo"])

    def test_faults_end_after_their_count(self):
        for status in (403, 404, 500):
            self.control(
                "POST", "fault", {"path_prefix": AUTO_DEPLOY, "status": status, "count": 2}
            )
            self.assertEqual(
                [self.call("GET", AUTO_DEPLOY)[0] for _call in range(3)], [status, status, 200]
            )
        self.control("POST", "fault", {"path_prefix": "/repos", "status": 500, "method": "PUT"})
        self.assertEqual(self.call("GET", AUTO_DEPLOY)[0], 200)
        self.assertEqual(self.call("PUT", AUTO_DEPLOY + "/enable")[0], 500)

    def test_who_am_i(self):
        self.assertEqual(self.call("GET", "/user")[1]["login"], "sandbox")
        self.assertEqual(self.call("GET", "/rate_limit")[1]["rate"]["limit"], 5000)


class Bodies(unittest.TestCase):
    def test_what_is_no_json_object(self):
        stand_in = github.GitHub()
        headers = {"authorization": "x"}
        for body in (b"{", b"[]"):
            self.assertEqual(stand_in.handle("POST", "/user", {}, headers, body, "")[0], 400)
