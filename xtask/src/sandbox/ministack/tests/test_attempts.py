"""A repeated call leaves a line in the log that says what became of the first one."""

import asyncio
import unittest

from sandbox_extension import attempts


def call(app, number, invocation="a-call"):
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/schedules/one",
        "client": ("127.0.0.1", 40000 + number),
        "headers": [
            (b"amz-sdk-invocation-id", invocation.encode()),
            (b"amz-sdk-request", f"attempt={number}; max=3".encode()),
        ],
    }

    async def send(message):
        pass

    asyncio.run(app(scope, None, send))


class Attempts(unittest.TestCase):
    def test_a_repeated_call_is_logged_with_what_came_before(self):
        async def answering(scope, receive, send):
            await send({"type": "http.response.start", "status": 200})

        app = attempts.logged(answering)
        with self.assertNoLogs("sandbox.attempts"):
            call(app, 1)
        with self.assertLogs("sandbox.attempts") as logs:
            call(app, 2)
            call(app, 2, "another-call")
        self.assertRegex(
            logs.records[0].getMessage(),
            r"^attempt 2 of the call a-call, POST /schedules/one: 200 at [0-9:]{8} after 0.00 s to "
            r"port 40002; before it: 200 at [0-9:]{8} after 0.00 s to port 40001$",
        )
        self.assertRegex(logs.records[1].getMessage(), r"before it: nothing arrived$")

    def test_a_call_that_failed_inside_is_remembered(self):
        async def failing(scope, receive, send):
            raise ValueError("broken")

        app = attempts.logged(failing)
        with self.assertRaises(ValueError):
            call(app, 1)
        with self.assertLogs("sandbox.attempts") as logs, self.assertRaises(ValueError):
            call(app, 2)
        self.assertIn("before it: not answered at", logs.records[0].getMessage())
