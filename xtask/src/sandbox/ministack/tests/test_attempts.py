"""A repeated call leaves a line in the log, and Terraform's gets the answer of the first one."""

import asyncio
import unittest

from sandbox_extension import attempts

TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.11.4"


def call(app, number, invocation="a-call", agent="aws-sdk-rust/1.3"):
    """What the application answers: its status and its body."""
    answer = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/schedules/one",
        "client": ("127.0.0.1", 40000 + number),
        "headers": [
            (b"amz-sdk-invocation-id", invocation.encode()),
            (b"amz-sdk-request", f"attempt={number}; max=3".encode()),
            (b"user-agent", agent.encode()),
        ],
    }

    async def send(message):
        answer.append(message)

    asyncio.run(app(scope, None, send))
    return answer[0]["status"], b"".join(each.get("body", b"") for each in answer)


def creating(status=200):
    """An application that creates something once, and then finds that it exists."""
    served = []

    async def application(scope, receive, send):
        first = not served
        served.append(scope)
        await send({"type": "http.response.start", "status": status if first else 409})
        await send({"type": "http.response.body", "body": b"crea", "more_body": True})
        await send({"type": "http.response.body", "body": b"ted" if first else b"?"})

    return application


class Attempts(unittest.TestCase):
    def test_a_repeated_call_is_logged_with_what_came_before(self):
        app = attempts.logged(creating())
        with self.assertNoLogs("sandbox.attempts"):
            self.assertEqual(call(app, 1), (200, b"created"))
        with self.assertLogs("sandbox.attempts") as logs:
            self.assertEqual(call(app, 2), (409, b"crea?"))
            call(app, 2, "another-call")
        self.assertRegex(
            logs.records[0].getMessage(),
            r"^attempt 2 of the call a-call, POST /schedules/one: 409 at [0-9:]{8} after 0.00 s to "
            r"port 40002; before it: 200 at [0-9:]{8} after 0.00 s to port 40001$",
        )
        self.assertRegex(logs.records[1].getMessage(), r"before it: nothing arrived$")

    def test_terraform_is_answered_as_the_first_time(self):
        app = attempts.logged(creating())
        self.assertEqual(call(app, 1, agent=TERRAFORM), (200, b"created"))
        with self.assertLogs("sandbox.attempts"):
            self.assertEqual(call(app, 2, agent=TERRAFORM), (200, b"created"))
            self.assertEqual(call(app, 3, agent=TERRAFORM), (200, b"created"))
        self.assertEqual(call(app, 1, "another", agent=TERRAFORM), (409, b"crea?"))

    def test_a_failure_is_not_repeated(self):
        app = attempts.logged(creating(status=500))
        self.assertEqual(call(app, 1, agent=TERRAFORM)[0], 500)
        with self.assertLogs("sandbox.attempts"):
            self.assertEqual(call(app, 2, agent=TERRAFORM)[0], 409)

    def test_a_call_that_failed_inside_is_remembered(self):
        async def failing(scope, receive, send):
            raise ValueError("broken")

        app = attempts.logged(failing)
        with self.assertRaises(ValueError):
            call(app, 1)
        with self.assertLogs("sandbox.attempts") as logs, self.assertRaises(ValueError):
            call(app, 2)
        self.assertIn("before it: not answered at", logs.records[0].getMessage())
