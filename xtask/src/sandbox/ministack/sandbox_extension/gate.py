"""Nobody gets in without this sandbox's secrets.

Gap: MiniStack takes every call, whoever signed it. ECS starts any container for whoever asks, which
on a Docker Engine is root for every user of this machine, for every container on the bridge and for
every page in a browser.

AWS: each call is signed with a key that IAM knows; the registry asks for the password of
GetAuthorizationToken.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html

Here: whatever reaches MiniStack is signed by one of the two key pairs of keys.py, in the header or
in the address, within a quarter of an hour of now. Four doors have other keys: the registry its
password, GitHub's stand-in and MiniStack's own switches a token, and what a container is told about
itself the unguessable addresses in its environment. The health answers everybody, with nothing.

Instead of: nothing; it surrounds the application. The registry's token:
`ecr._get_authorization_token`, in registry.py. A container's credentials:
`ecs._register_metadata`, in engine.py.
"""

import hashlib
import hmac
import itertools
import logging
import re
import time
from urllib.parse import parse_qs, urlencode

from . import keys, refusals, settings, task_rights
from .hooks import uses

logger = logging.getLogger("sandbox.gate")

HEALTH = "/_ministack/health"
PROOF = "/_sandbox/proof"
# Whoever is let in by a token instead of a signature.
BY_TOKEN = ("/_github", "/_ministack")
# What else is below /_ministack goes through to whatever service the headers name.
SWITCHES = ("/_ministack/config", "/_ministack/reset")
CREDENTIALS = re.compile(r"/v2/credentials/[0-9a-f-]{36}")
METADATA = re.compile(r"/v4/[A-Za-z0-9_-]{43}(/[A-Za-z/]*)?")
LONGEST_QUESTION = 128
LONGEST_NAME = 256
LOGGED_REFUSALS = 1000
PRESIGNED_SECONDS = 7 * 24 * 3600
# Of AWS's own headers the only one that SDKs leave out, since proxies change it. Any other one that
# was added would make another call of a signed address, such as one of the control plane.
UNSIGNED = ("x-amz-user-agent",)
# As SDKs write it. MiniStack looks for the parts with searches of its own, which find others in a
# scope that is empty somewhere or that is there twice, and then asks the body for the service.
SCOPE = r"[A-Z0-9]+/[0-9]{8}/[a-z0-9-]+/[a-z0-9-]+/aws4_request"
SIGNED = re.compile(
    rf"AWS4-HMAC-SHA256 Credential={SCOPE}, *SignedHeaders=[^\s,=]+, *Signature=[0-9a-f]{{64}}"
)
# What a signed address has beside its own query.
SIGNING = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
)

uses(
    "ministack.core.sigv4",
    "HeaderSignature",
    "decode_header_value",
    "header_signature_failure",
    "parse_header_signature",
    "parse_query_signature",
    "presigned_request_is_expired",
    "request_time_failure",
)
uses("ministack.app", "_extract_s3_vhost_bucket", "_is_ecr_registry_path")
uses("ministack.core.router", "detect_service")
uses("ministack.services.s3", "_bucket_owner_account")

# The path of a container's credentials, and the token that must come with a call of it.
_containers = {}
# Refused calls since the start.
_refusals = itertools.count(1)
# Where Terraform has put a state since the start; MiniStack keeps no object for longer either.
_state_buckets = set()


def remember_container(environment):
    """What a container was told about its credentials; nothing else is answered there."""
    path = "/" + environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"].split("/", 3)[3]
    _containers[path] = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]


class Request:
    """A call as MiniStack will read it."""

    def __init__(self, scope):
        from ministack.core.sigv4 import decode_header_value

        self.method = scope["method"]
        self.path = scope["path"]
        raw = scope.get("raw_path") or b""
        self.raw_path = raw.split(b"?", 1)[0].decode("latin-1")
        self.query = parse_qs(
            scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True
        )
        self.headers = {}
        for name, value in scope.get("headers", []):
            name, value = name.decode("latin-1").lower(), decode_header_value(value)
            # As MiniStack has it, so that nothing is signed in one way and read in another.
            before = f"{self.headers[name]}, " if name in self.headers else ""
            self.headers[name] = before + value
        self.body = b""

    def header(self, name):
        return self.headers.get(name, "")


class Refused(Exception):
    """A call that is not let in: the code that AWS has for it, and why."""

    def __init__(self, code, message, status=403):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def guard(app):
    """Wrap an ASGI application so that it gets only what has the right to come in."""

    async def guarded(scope, receive, send):
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif scope["type"] != "http":
            await refusals.send_close(send)
        else:
            await decide(app, scope, receive, send)

    return guarded


async def decide(app, scope, receive, send):
    from ministack.app import _is_ecr_registry_path

    path = scope["path"]
    if path == HEALTH and scope["method"] in ("GET", "HEAD"):
        await refusals.send_json(send, 200, {"status": "ok"})
    elif path == PROOF:
        question = scope.get("query_string", b"")[:LONGEST_QUESTION]
        await refusals.send_json(send, 200, {"proof": keys.get().proof(question)})
    elif CREDENTIALS.fullmatch(path):
        await answer_container(Request(scope), send)
    elif METADATA.fullmatch(path) and scope["method"] == "GET":
        # MiniStack itself knows which of these addresses it gave away. Nothing but the path gets
        # through, since a target or a body would be another call.
        await app(bare(scope), replayed(b"", receive), send)
    elif any(path == each or path.startswith(each + "/") for each in BY_TOKEN):
        await by_token(app, scope, receive, send)
    elif _is_ecr_registry_path(path):
        await by_password(app, scope, receive, send)
    else:
        await by_signature(app, scope, receive, send)


def bare(scope):
    host = f"127.0.0.1:{settings.port()}".encode()
    return {**scope, "headers": [(b"host", host)], "query_string": b""}


async def answer_container(request, send):
    token = _containers.get(request.path)
    if token is None or not same(request.header("authorization"), token):
        await refusals.send_json(send, 403, {"code": "AccessDenied", "message": "a wrong token"})
        return
    known = keys.get()
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    answer = {
        "AccessKeyId": known.tasks_id,
        "SecretAccessKey": known.tasks_secret,
        "Token": "sandbox",
        "Expiration": expires,
        "RoleArn": "arn:aws:iam::000000000000:role/sandbox-task",
    }
    await refusals.send_json(send, 200, answer)


async def by_token(app, scope, receive, send):
    kind, _, token = Request(scope).header("authorization").partition(" ")
    if kind.lower() in ("bearer", "token") and same(token, keys.get().github_token):
        is_switch = scope["method"] == "POST" and scope["path"] in SWITCHES
        if is_switch or not scope["path"].startswith("/_ministack"):
            await app(scope, receive, send)
        else:
            await refusals.send_json(send, 404, {"message": "there is no such switch"})
        return
    log_refusal(scope["method"], scope["path"], "no or a wrong token")
    await refusals.send_json(
        send,
        401,
        {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"},
    )


async def by_password(app, scope, receive, send):
    expected = f"Basic {keys.get().registry_token()}"
    if same(Request(scope).header("authorization"), expected):
        await app(scope, receive, send)
        return
    message = "no basic auth credentials: log in with what GetAuthorizationToken gives"
    await refusals.send_json(
        send,
        401,
        {"errors": [{"code": "UNAUTHORIZED", "message": message}]},
        [
            (b"www-authenticate", f'Basic realm="http://{settings.registry_host()}/"'.encode()),
            (b"docker-distribution-api-version", b"registry/2.0"),
        ],
    )


async def by_signature(app, scope, receive, send):
    request = Request(scope)
    try:
        signature, presigned = parse(request)
        secret = keys.get().secret_of(signature.access_key_id)
        if secret is None:
            raise Refused(
                "InvalidClientTokenId",
                "no key of this sandbox; `cargo xtask sandbox status` says where they are",
            )
        body = await read(receive)
        if body is None:
            return
        request.body = body
        check(request, signature, presigned, secret)
        if signature.access_key_id == keys.get().tasks_id:
            require_right(request, signature)
        else:
            remember_state(request)
    except Refused as refused:
        called = request.header("x-amz-target") or request.path
        log_refusal(request.method, called, refused)
        await refusals.send_aws(send, request, refused)
        return
    if presigned:
        scope = with_header(scope, request)
    await app(scope, replayed(body, receive), send)


def log_refusal(method, called, why):
    """Anybody on this machine may call, and nobody may fill its disk by that."""
    number = next(_refusals)
    if number <= LOGGED_REFUSALS:
        logger.warning("refused %s %s: %s", method, called[:LONGEST_NAME], why)
    if number == LOGGED_REFUSALS:
        logger.warning("these were %d refusals: no other one is written down", number)


def with_header(scope, request):
    """The same call, signed in its header: MiniStack looks keys in an address up among its own."""
    kept = {name: value for name, value in request.query.items() if name not in SIGNING}
    credential = request.query["X-Amz-Credential"][0]
    header = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=checked"
    return {
        **scope,
        "query_string": urlencode(kept, doseq=True).encode(),
        "headers": [*scope["headers"], (b"authorization", header.encode())],
    }


def parse(request):
    """The signature, and whether it is in the address."""
    from ministack.core import sigv4

    if request.header("authorization"):
        if not SIGNED.fullmatch(request.header("authorization")):
            raise Refused("IncompleteSignature", "the call is not signed as AWS's are")
        parsed, presigned = sigv4.parse_header_signature(request.headers), False
    elif request.query.get("X-Amz-Algorithm") == ["AWS4-HMAC-SHA256"]:
        if not re.fullmatch(SCOPE, ",".join(request.query.get("X-Amz-Credential", []))):
            raise Refused("IncompleteSignature", "the address is not signed as AWS's are")
        parsed, presigned = sigv4.parse_query_signature(request.query), True
    else:
        raise Refused("MissingAuthenticationToken", "the call is not signed")
    if isinstance(parsed, tuple):
        raise Refused(*parsed)
    if not re.fullmatch(r"\d{8}T\d{6}Z", parsed.amz_date):
        raise Refused("IncompleteSignature", f"{parsed.amz_date} is no date of a signature")
    if "host" not in parsed.signed_headers.split(";"):
        raise Refused("IncompleteSignature", "the signature does not cover the header Host")
    signed = {*parsed.signed_headers.lower().split(";"), *UNSIGNED}
    if any(name.startswith("x-amz-") and name not in signed for name in request.headers):
        raise Refused("AccessDenied", "there were headers in the request that were not signed")
    return parsed, presigned


def check(request, signature, presigned, secret):
    from ministack.core import sigv4

    if presigned:
        require_unexpired(request, signature)
    else:
        raise_if(sigv4.request_time_failure(signature))
    raise_if(
        sigv4.header_signature_failure(
            signature,
            secret,
            request.method,
            request.raw_path,
            request.query,
            request.headers,
            request.body,
            presigned=presigned,
        )
    )
    declared = request.header("x-amz-content-sha256")
    if re.fullmatch(r"[0-9a-f]{64}", declared) and not presigned:
        if not same(hashlib.sha256(request.body).hexdigest(), declared):
            raise Refused(
                "XAmzContentSHA256Mismatch", "the body is not the one that was signed", 400
            )


def require_unexpired(request, signature):
    from ministack.core import sigv4

    seconds = request.query.get("X-Amz-Expires", ["900"])[0]
    if not re.fullmatch(r"\d{1,6}", seconds) or int(seconds) > PRESIGNED_SECONDS:
        raise Refused(
            "AuthorizationQueryParametersError", f"{seconds} seconds are no validity", 400
        )
    try:
        expired = sigv4.presigned_request_is_expired(signature.amz_date, seconds)
    except ValueError as error:
        raise Refused("IncompleteSignature", str(error)) from error
    if expired:
        raise Refused("AccessDenied", "Request has expired")


def raise_if(failure):
    if failure:
        raise Refused(*failure)


def require_right(request, signature):
    """The tasks' key; its rights are judged by what MiniStack would make of the call."""
    from ministack.core.router import detect_service

    service = detect_service(request.method, request.path, request.headers, request.query)
    if not request.header("x-amz-target") and service != signature.service:
        denied = f"{signature.service}:{request.path}"
    elif not is_plain_host(request.header("host")):
        denied = f"{service} by way of {request.header('host')}"
    else:
        denied = task_rights.refusal(request, service, is_protected)
    if denied:
        raise Refused(
            "AccessDenied" if service == "s3" else "AccessDeniedException",
            f"the key of the sandbox's tasks is for data alone: it may not call {denied}",
            400 if request.header("x-amz-target") else 403,
        )


def is_plain_host(host):
    """No name below another: MiniStack looks for buckets and APIs there."""
    name = host.rsplit(":", 1)[0].lower()
    return name in ("localhost", "host.docker.internal") or re.fullmatch(r"[\d.]+", name)


def remember_state(request):
    """A bucket in which Terraform has put its state, whatever the backend calls both of them."""
    from ministack.app import _extract_s3_vhost_bucket

    bucket, _, key = request.path.lstrip("/").partition("/")
    in_host = _extract_s3_vhost_bucket(request.header("host"))
    if in_host:
        bucket, key = in_host, request.path.lstrip("/")
    is_state = all(name in request.body for name in (b'"terraform_version"', b'"lineage"'))
    if request.method == "PUT" and key and is_state:
        _state_buckets.add(bucket)


def is_protected(bucket):
    """Terraform's state and what is held are no task's data, and neither is what is no bucket."""
    from ministack.services import s3

    is_control = bucket in settings.control_buckets() or bucket in _state_buckets
    return is_control or s3._bucket_owner_account(bucket) is None


async def read(receive):
    """The whole body, which the signature covers; None when the caller has gone."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def replayed(body, receive):
    """What was read is received once more, and then whatever comes after it."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again():
        return waiting.pop() if waiting else await receive()

    return again


def same(given, expected):
    return hmac.compare_digest(given.encode(), expected.encode())
