"""Images without Docker: made of tar files and pushed by the registry protocol."""

import gzip
import hashlib
import io
import json
import platform
import tarfile
import urllib.request

LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def entry(name, content=b"", kind=tarfile.REGTYPE, mode=0o755, **options):
    """A tar entry: (TarInfo, content)."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, mode, len(content)
    for key, value in options.items():
        setattr(info, key, value)
    return info, content


def tar(*entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in entries:
            # A hostile entry may claim more than it brings.
            archive.addfile(info) if info.size != len(content) else archive.addfile(
                info, io.BytesIO(content)
            )
    return buffer.getvalue()


def architecture():
    return {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


class Registry:
    """Pushes into one repository of a sandbox."""

    def __init__(self, sandbox, repository="api"):
        self.base = f"http://localhost:{sandbox.port}/v2/{repository}"
        self.name = f"localhost:{sandbox.port}/{repository}"
        self.login = sandbox.login()

    def blob(self, content):
        with self.call("POST", f"{self.base}/blobs/uploads/") as answer:
            location = answer.headers["Location"]
        if location.startswith("/"):
            location = self.base.split("/v2/")[0] + location
        joint = "&" if "?" in location else "?"
        self.call("PUT", f"{location}{joint}digest={digest(content)}", content).close()
        return {"digest": digest(content), "size": len(content)}

    def push(self, tag, layers, config=None, machine=None):
        """Push an image of (layer, media type) pairs; the type's ending says how it is packed."""
        described, diff_ids = [], []
        for layer, media_type in layers:
            packed = gzip.compress(layer, 1) if media_type.endswith("gzip") else layer
            described.append({"mediaType": media_type, **self.blob(packed)})
            diff_ids.append(digest(layer))
        content = {
            "os": "linux",
            "architecture": machine or architecture(),
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
        self.manifest(tag, described, content)
        return f"{self.name}:{tag}"

    def manifest(self, tag, layers, config):
        blob = self.blob(json.dumps(config).encode())
        body = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "layers": layers,
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blob},
            }
        ).encode()
        self.call("PUT", f"{self.base}/manifests/{tag}", body, MANIFEST).close()

    def call(self, method, url, body=b"", kind="application/octet-stream"):
        return urllib.request.urlopen(
            urllib.request.Request(
                url, method=method, data=body, headers={"Content-Type": kind, **self.login}
            )
        )
