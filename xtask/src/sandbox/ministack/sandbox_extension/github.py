"""The few GitHub REST endpoints that pausing auto-deploys needs, beside AWS on the same port.

It is no part of MiniStack and changes nothing in it. It answers under `/_github` in GitHub's own
shapes (https://docs.github.com/en/rest/actions), for any owner and repository, from memory. Known
workflow files are those of `SANDBOX_WORKFLOWS`; gate.py asks for the token. Nobody shares a
sandbox, so every workflow with "auto-deploy" in its name starts as disabled_manually.

Tests change what it answers under `/_github/_control`:
  POST   runs        {"workflow", "repository"?, any field of a run}   adds a run, answers with it
  PATCH  runs/ID     {any field of a run}                              changes it (POST as well)
  POST   fault       {"path_prefix", "status", "count"?, "method"?}    the next count calls fail
  POST   reset                                                         forgets everything
"""

import json
import re
import threading
import time
from urllib.parse import parse_qs

from . import settings
from .hooks import at_reset

PREFIX = "/_github"
DOCUMENTATION = "https://docs.github.com/rest"
ACTOR = {"login": "sandbox", "id": 1, "type": "User"}
FAULT_MESSAGES = {
    401: "Bad credentials",
    403: "Resource not accessible by integration",
    404: "Not Found",
    429: "API rate limit exceeded",
    500: "Server Error",
}


def beside(app):
    """Wrap an ASGI application: what begins with `/_github` is answered here."""
    github = GitHub()
    at_reset(github.reset)

    async def gateway(scope, receive, send):
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == PREFIX or path.startswith(PREFIX + "/")):
            await app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        query = {
            name: values[-1]
            for name, values in parse_qs(scope.get("query_string", b"").decode()).items()
        }
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope.get("headers", [])
        }
        host = headers.get("host", f"127.0.0.1:{settings.port()}")
        status, answer = github.handle(
            scope["method"], path[len(PREFIX) :], query, headers, body, f"http://{host}{PREFIX}"
        )
        content = b"" if answer is None else json.dumps(answer).encode()
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", b"application/json; charset=utf-8"),
                    (b"content-length", str(len(content)).encode()),
                    (b"x-github-media-type", b"github.v3; format=json"),
                    (b"x-ratelimit-limit", b"5000"),
                    (b"x-ratelimit-remaining", b"4999"),
                    (b"x-ratelimit-reset", str(int(time.time()) + 3600).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": content})

    return gateway


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def failure(status, message):
    return status, {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)}


NOT_FOUND = failure(404, "Not Found")
UNPROCESSABLE = 422


class GitHub:
    def __init__(self):
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        with self.lock:
            self.workflows = {}
            self.runs = {}
            self.faults = []
            self.next_id = 1_000_001

    def handle(self, method, path, query, headers, body, base):
        try:
            data = json.loads(body) if body else {}
        except ValueError:
            return failure(400, "Problems parsing JSON")
        if not isinstance(data, dict):
            return failure(400, "Body should be a JSON object")
        if path.startswith("/_control/"):
            return self.control(method, path[len("/_control/") :], data, base)
        with self.lock:
            status = self.take_fault(method, path)
            if status:
                return failure(status, FAULT_MESSAGES.get(status, "Fault"))
            return self.route(method, path, query, data, base)

    def route(self, method, path, query, data, base):
        if method == "GET" and path == "/rate_limit":
            rate = {"limit": 5000, "used": 1, "remaining": 4999, "reset": int(time.time()) + 3600}
            return 200, {"resources": {"core": rate}, "rate": rate}
        if method == "GET" and path == "/user":
            return 200, ACTOR
        match = re.fullmatch(r"/repos/([^/]+/[^/]+)/actions/workflows/([^/]+)(/[a-z]+)?", path)
        if match:
            workflow = self.workflow(match[1], match[2], base)
            if workflow is None:
                return NOT_FOUND
            return self.workflow_call(method, workflow, match[3] or "", query, data, base)
        match = re.fullmatch(r"/repos/([^/]+/[^/]+)/actions/workflows", path)
        if match and method == "GET":
            found = [self.workflow(match[1], name, base) for name in settings.workflows()]
            return 200, {"total_count": len(found), "workflows": found}
        match = re.fullmatch(r"/repos/([^/]+/[^/]+)/actions/runs/(\d+)", path)
        if match and method == "GET":
            repository, run = self.runs.get(int(match[2]), (None, None))
            return (200, run) if run and repository == match[1] else NOT_FOUND
        match = re.fullmatch(r"/repos/([^/]+/[^/]+)/environments/([^/]+)", path)
        if match and method == "GET":
            # As infra/foundation's README has it set up.
            policy = {"protected_branches": True, "custom_branch_policies": False}
            return 200, {"name": match[2], "deployment_branch_policy": policy}
        match = re.fullmatch(r"/repos/([^/]+/[^/]+)/actions/runs", path)
        if match and method == "GET":
            return self.list_runs(lambda repository, _run: repository == match[1], query)
        return NOT_FOUND

    def workflow(self, repository, reference, base):
        """The workflow with this file name or id, or None."""
        if reference.isdigit():
            return next(
                (
                    each
                    for (owner, _name), each in self.workflows.items()
                    if owner == repository and each["id"] == int(reference)
                ),
                None,
            )
        if reference not in settings.workflows():
            return None
        if (repository, reference) not in self.workflows:
            number = settings.workflows().index(reference) + 101
            created = now()
            self.workflows[repository, reference] = {
                "id": number,
                "node_id": f"W_sandbox{number}",
                "name": reference.rsplit(".", 1)[0],
                "path": f".github/workflows/{reference}",
                "state": "disabled_manually" if "auto-deploy" in reference else "active",
                "created_at": created,
                "updated_at": created,
                "url": f"{base}/repos/{repository}/actions/workflows/{number}",
                "html_url": f"https://github.com/{repository}/blob/main/.github/workflows/"
                f"{reference}",
                "badge_url": f"https://github.com/{repository}/workflows/{reference}/badge.svg",
            }
        return self.workflows[repository, reference]

    def workflow_call(self, method, workflow, action, query, data, base):
        repository = next(key[0] for key, each in self.workflows.items() if each is workflow)
        if method == "GET" and not action:
            return 200, workflow
        if method == "PUT" and action in ("/disable", "/enable"):
            workflow["state"] = "disabled_manually" if action == "/disable" else "active"
            workflow["updated_at"] = now()
            return 204, None
        if method == "GET" and action == "/runs":
            return self.list_runs(
                lambda owner, run: owner == repository and run["workflow_id"] == workflow["id"],
                query,
            )
        if method == "POST" and action == "/dispatches":
            if not data.get("ref"):
                return failure(UNPROCESSABLE, 'Invalid request.\n\n"ref" wasn\'t supplied.')
            if workflow["state"] != "active":
                return failure(
                    UNPROCESSABLE, "Cannot trigger a 'workflow_dispatch' on a disabled workflow"
                )
            branch = data["ref"].removeprefix("refs/heads/")
            run = self.add_run(repository, workflow, {"head_branch": branch}, base)
            if data.get("return_run_details"):
                return 200, {
                    "workflow_run_id": run["id"],
                    "run_url": run["url"],
                    "html_url": run["html_url"],
                }
            return 204, None
        return NOT_FOUND

    def list_runs(self, wanted, query):
        found = [run for owner, run in reversed(list(self.runs.values())) if wanted(owner, run)]
        # One parameter names both what a run does and how it ended.
        if query.get("status"):
            found = [run for run in found if query["status"] in (run["status"], run["conclusion"])]
        for name, field in (
            ("branch", "head_branch"),
            ("event", "event"),
            ("head_sha", "head_sha"),
        ):
            if query.get(name):
                found = [run for run in found if run[field] == query[name]]
        size = min(int(query.get("per_page") or 30), 100)
        start = (int(query.get("page") or 1) - 1) * size
        return 200, {"total_count": len(found), "workflow_runs": found[start : start + size]}

    def add_run(self, repository, workflow, fields, base):
        number, self.next_id = self.next_id, self.next_id + 1
        created = now()
        run = {
            "id": number,
            "name": workflow["name"],
            "node_id": f"WFR_sandbox{number}",
            "head_branch": "main",
            "head_sha": "0" * 40,
            "path": workflow["path"],
            "run_number": number - 1_000_000,
            "event": "workflow_dispatch",
            "status": "queued",
            "conclusion": None,
            "workflow_id": workflow["id"],
            "url": f"{base}/repos/{repository}/actions/runs/{number}",
            "html_url": f"https://github.com/{repository}/actions/runs/{number}",
            "created_at": created,
            "updated_at": created,
            "run_started_at": created,
            "actor": dict(ACTOR),
            "triggering_actor": dict(ACTOR),
            "run_attempt": 1,
        }
        run.update(fields)
        self.runs[number] = (repository, run)
        return run

    def take_fault(self, method, path):
        for fault in self.faults:
            if path.startswith(fault["path_prefix"]) and fault.get("method", method) == method:
                fault["count"] -= 1
                if fault["count"] <= 0:
                    self.faults.remove(fault)
                return fault["status"]
        return None

    def control(self, method, path, data, base):
        if method == "POST" and path == "reset":
            self.reset()
            return 204, None
        with self.lock:
            if method == "POST" and path == "fault":
                self.faults.append({"count": 1, "path_prefix": "/", **data})
                return 204, None
            if method == "POST" and path == "runs":
                repository = data.pop("repository", "example-org/background-tasks")
                workflow = self.workflow(repository, data.pop("workflow", ""), base)
                if workflow is None:
                    return NOT_FOUND
                return 201, self.add_run(repository, workflow, data, base)
            match = re.fullmatch(r"runs/(\d+)", path)
            if match and method in ("PATCH", "POST") and int(match[1]) in self.runs:
                run = self.runs[int(match[1])][1]
                run.update(data, updated_at=now())
                return 200, run
        return NOT_FOUND
