"""What somebody reads who is not let in, in the form that their program understands."""

import json
import re
from xml.sax.saxutils import escape


async def send_close(send):
    await send({"type": "websocket.close", "code": 1008})


async def send_text(send, status, text):
    await send_body(send, status, b"text/plain", text.encode())


async def send_json(send, status, value, headers=()):
    await send_body(send, status, b"application/json", json.dumps(value).encode(), headers)


async def send_body(send, status, kind, body, headers=()):
    length = (b"content-length", str(len(body)).encode())
    # Whatever it is, no cache keeps it and no page sniffs it.
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", kind),
                length,
                (b"cache-control", b"no-store"),
                (b"x-content-type-options", b"nosniff"),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def send_aws(send, request, refused):
    """An error of AWS's: XML for S3 and the protocol with forms, JSON for all others."""
    signed_for = re.search(
        r"Credential=[^/]*/[^/]*/[^/]*/([^/]*)/", request.header("authorization")
    )
    service = signed_for[1] if signed_for else "s3"
    is_form = request.header("content-type").startswith("application/x-www-form-urlencoded")
    if request.header("x-amz-target") or (service != "s3" and not is_form):
        error = {"__type": refused.code, "message": refused.message}
        code = (b"x-amzn-errortype", refused.code.encode())
        await send_json(send, refused.status, error, [code])
        return
    opening, closing = "<Error>", "</Error>"
    if is_form:
        opening, closing = f"<ErrorResponse>{opening}", f"{closing}</ErrorResponse>"
    text = (
        f"{opening}<Code>{refused.code}</Code><Message>{escape(refused.message)}</Message>{closing}"
    )
    body = b"" if request.method == "HEAD" else text.encode()
    await send_body(send, refused.status, b"application/xml", body)
