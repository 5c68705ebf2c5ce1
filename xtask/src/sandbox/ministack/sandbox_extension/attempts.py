"""What an SDK asks a second time is logged, and answered to Terraform as it was the first time.

Gap: MiniStack logs no requests. Once in many thousand calls an answer is lost on its way from it,
the SDK repeats the call, and Terraform ends with "already exists" for what it has just created.

AWS: every SDK names the call in `amz-sdk-invocation-id` and counts in `amz-sdk-request`.
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
AWS does not know these names. It loses an answer so rarely that Terraform does not provide for it.

Here: the last calls are remembered, and one line is written for each attempt after the first. When
the first attempt of a call of Terraform's succeeded, the second gets the same answer. Calls of
other programs are served again, so that a test with lost answers sees what is not idempotent.

Instead of: nothing; it surrounds the application.
"""

import logging
import re
import time
from collections import OrderedDict

REMEMBERED = 2000
LONGEST_ANSWER = 64 * 1024

logger = logging.getLogger("sandbox.attempts")


class Attempt:
    """One attempt of a call: when it came, from where, and what was answered."""

    def __init__(self, scope):
        self.began = time.time()
        self.port = (scope.get("client") or ("", 0))[1]
        self.took = 0.0
        self.start = None
        self.body = b""
        self.complete = False

    def note(self, message):
        if message["type"] == "http.response.start":
            self.start = message
        elif message["type"] == "http.response.body" and len(self.body) <= LONGEST_ANSWER:
            self.body += message.get("body", b"")
            self.complete = not message.get("more_body", False)

    def may_be_repeated(self):
        short = len(self.body) <= LONGEST_ANSWER
        return self.complete and short and 200 <= self.start["status"] < 300

    def __str__(self):
        status = self.start["status"] if self.start else "not answered"
        at = time.strftime("%H:%M:%S", time.gmtime(self.began))
        return f"{status} at {at} after {self.took:.2f} s to port {self.port}"


def logged(app):
    """Wrap an ASGI application so that repeated calls leave a line in the log."""
    attempts = OrderedDict()

    async def wrapped(scope, receive, send):
        headers = dict(scope.get("headers", ()))
        call = headers.get(b"amz-sdk-invocation-id", b"").decode("latin-1")
        if not call:
            await app(scope, receive, send)
            return
        attempt, before = Attempt(scope), attempts.get(call)

        async def noting(message):
            attempt.note(message)
            await send(message)

        try:
            if before and before.may_be_repeated() and is_terraform(headers):
                await noting(before.start)
                await noting({"type": "http.response.body", "body": before.body})
            else:
                await app(scope, receive, noting)
        finally:
            attempt.took = time.time() - attempt.began
            report(scope, headers, call, attempt, before)
            attempts[call] = attempt
            attempts.move_to_end(call)
            if len(attempts) > REMEMBERED:
                attempts.popitem(last=False)

    return wrapped


def is_terraform(headers):
    return b"HashiCorp" in headers.get(b"user-agent", b"")


def report(scope, headers, call, attempt, before):
    count = re.search(rb"attempt=(\d+)", headers.get(b"amz-sdk-request", b""))
    if count and int(count[1]) > 1:
        logger.warning(
            "attempt %s of the call %s, %s %s: %s; before it: %s",
            count[1].decode(),
            call,
            scope["method"],
            headers.get(b"x-amz-target", scope["path"].encode()).decode("latin-1"),
            attempt,
            before or "nothing arrived",
        )
