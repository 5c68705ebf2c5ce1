"""Manifests and layers from the sandbox's registry; nothing is believed before its digest fits."""

import base64
import hashlib
import json
import os
import platform
import re
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass, field

from .errors import EngineError, NotFound

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
TIMEOUT_SECONDS = 60
CHUNK = 1024 * 1024

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Reference:
    """`localhost:PORT/NAME:TAG` or `localhost:PORT/NAME@DIGEST`, and what lets us in there."""

    host: str
    name: str
    version: str
    login: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text, auth_config=None):
        host, _, rest = text.partition("/")
        if not re.fullmatch(r"(localhost|127\.0\.0\.1):\d+", host) or not rest:
            raise EngineError(
                f"{text}: the process engine pulls from the sandbox's own registry alone; "
                "install Docker to run images of other registries"
            )
        if "@" in rest:
            name, version = rest.split("@", 1)
        elif ":" in rest:
            name, version = rest.rsplit(":", 1)
        else:
            name, version = rest, "latest"
        return cls(host, name, version, _basic(auth_config) if auth_config else "")

    def url(self, kind, version):
        return f"http://{self.host}/v2/{self.name}/{kind}/{version}"


@dataclass
class Image:
    """An image of one platform, as the registry describes it."""

    digest: str
    manifest: dict
    config: dict
    platforms: list = field(default_factory=list)

    @property
    def platform(self):
        return f"{self.config.get('os', 'linux')}/{self.config.get('architecture', '')}"


def this_machine():
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"linux/{machine}"


def _basic(auth_config):
    pair = f"{auth_config['username']}:{auth_config['password']}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def resolve(text, auth_config=None):
    """The digest that the reference names, and the platforms behind it, as `os/architecture`."""
    reference = Reference.parse(text, auth_config)
    digest, manifest = _manifest(reference, reference.version)
    if "manifests" in manifest:
        found = [each.get("platform") or {} for each in manifest["manifests"]]
        return digest, [
            {"os": each.get("os"), "architecture": each.get("architecture")}
            for each in found
            if each.get("os") not in (None, "unknown")
        ]
    config = _config(reference, manifest)
    return digest, [{"os": config.get("os"), "architecture": config.get("architecture")}]


def describe(text, wanted, auth_config=None):
    """The image of the platform `wanted` behind a reference."""
    reference = Reference.parse(text, auth_config)
    digest, manifest = _manifest(reference, reference.version)
    if "manifests" in manifest:
        for each in manifest["manifests"]:
            its = each.get("platform") or {}
            if f"{its.get('os')}/{its.get('architecture')}" == wanted:
                digest, manifest = _manifest(reference, each["digest"])
                break
        else:
            raise EngineError(f"{text} has no image for {wanted}")
    return reference, Image(digest, manifest, _config(reference, manifest))


def _manifest(reference, version):
    body = _get(
        reference,
        reference.url("manifests", version),
        {"Accept": ", ".join(MANIFEST_TYPES)},
    )
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    if version.startswith("sha256:") and version != digest:
        raise EngineError(f"wrong digest: the manifest {version} is {digest}")
    return digest, _parse(body, f"the manifest {version}")


def _config(reference, manifest):
    digest = (manifest.get("config") or {}).get("digest", "")
    body = _get(reference, reference.url("blobs", digest))
    actual = "sha256:" + hashlib.sha256(body).hexdigest()
    if digest != actual:
        raise EngineError(f"wrong digest: the image's config {digest} is {actual}")
    return _parse(body, f"the image's config {digest}")


def _parse(body, what):
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise EngineError(f"{what} is no JSON object")
    return value


def _open(reference, url, headers=None):
    call = urllib.request.Request(url, headers=headers or {})
    if reference.login:
        # Not sent on to wherever a blob may be redirected.
        call.add_unredirected_header("Authorization", reference.login)
    try:
        return _opener.open(call, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        explanation = error.read(4096).decode(errors="replace")
        if error.code == 404:
            raise NotFound(f"not found: {explanation}") from error
        raise EngineError(f"{url} answered {error.code}: {explanation}") from error
    except OSError as error:
        reason = str(getattr(error, "reason", error)).lower()
        raise EngineError(f'failed to do request: Get "{url}": {reason}') from error


def _get(reference, url, headers=None):
    with _open(reference, url, headers) as answer:
        body = answer.read(MAX_MANIFEST_BYTES + 1)
    if len(body) > MAX_MANIFEST_BYTES:
        raise EngineError(f"{url} is longer than {MAX_MANIFEST_BYTES} bytes")
    return body


def fetch_layer(reference, layer, folder):
    """The layer as a file in `folder`, downloaded unless it is there, its digest checked."""
    digest, size = layer["digest"], int(layer["size"])
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise EngineError(f"{digest} is no sha256 digest")
    target = os.path.join(folder, digest.replace(":", "-"))
    if os.path.exists(target):
        return target
    os.makedirs(folder, exist_ok=True)
    hashed, received = hashlib.sha256(), 0
    with tempfile.NamedTemporaryFile(dir=folder, prefix="part-", delete=False) as part:
        try:
            with _open(reference, reference.url("blobs", digest)) as answer:
                while chunk := answer.read(CHUNK):
                    received += len(chunk)
                    if received > size:
                        raise EngineError(f"layer {digest} is longer than its {size} bytes")
                    hashed.update(chunk)
                    part.write(chunk)
            if received != size:
                raise EngineError(f"layer {digest} ended after {received} of {size} bytes")
            if hashed.hexdigest() != digest.split(":", 1)[1]:
                raise EngineError(f"wrong digest: layer {digest} is sha256:{hashed.hexdigest()}")
            part.close()
            os.rename(part.name, target)
        except BaseException:
            os.unlink(part.name)
            raise
    return target
