"""What an SDK asked a second time is logged, beside what became of the first time.

Gap: MiniStack logs no requests. When an answer is lost on its way, the SDK repeats the call, and
what cannot be repeated fails with "already exists", without a trace of why.

AWS: every SDK names the call in `amz-sdk-invocation-id` and counts in `amz-sdk-request`.
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html

Here: the last calls are remembered, and one line is written for each attempt after the first. Calls
in order leave nothing, so the log stays small.

Instead of: nothing; it surrounds the application.
"""

import logging
import re
import time
from collections import OrderedDict

REMEMBERED = 2000

logger = logging.getLogger("sandbox.attempts")


def logged(app):
    """Wrap an ASGI application so that repeated calls leave a line in the log."""
    answers = OrderedDict()

    async def wrapped(scope, receive, send):
        headers = dict(scope.get("headers", ()))
        call = headers.get(b"amz-sdk-invocation-id", b"").decode("latin-1")
        if not call:
            await app(scope, receive, send)
            return
        began, status = time.time(), None

        async def noting(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, noting)
        finally:
            now = outcome(began, status, scope)
            count = re.search(rb"attempt=(\d+)", headers.get(b"amz-sdk-request", b""))
            if count and int(count[1]) > 1:
                logger.warning(
                    "attempt %s of the call %s, %s %s: %s; before it: %s",
                    count[1].decode(),
                    call,
                    scope["method"],
                    headers.get(b"x-amz-target", scope["path"].encode()).decode("latin-1"),
                    now,
                    answers.get(call, "nothing arrived"),
                )
            answers[call] = now
            answers.move_to_end(call)
            if len(answers) > REMEMBERED:
                answers.popitem(last=False)

    return wrapped


def outcome(began, status, scope):
    port = (scope.get("client") or ("", 0))[1]
    at = time.strftime("%H:%M:%S", time.gmtime(began))
    took = time.time() - began
    return f"{status or 'not answered'} at {at} after {took:.2f} s to port {port}"
