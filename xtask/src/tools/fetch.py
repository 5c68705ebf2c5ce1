"""Download an archive, check its hash, and move one program out of it into place.

    fetch.py SOURCE SHA256 MEMBER TARGET

SOURCE is a URL or a file. It prints a line of progress now and then; on failure one line on stderr,
`KIND: text`, with exit code 1. Nothing is unpacked before the hash fits, and TARGET appears whole
or not at all. Only Python's standard library, 3.10 or newer, is needed.
"""

import errno
import hashlib
import os
import ssl
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile

CHUNK = 1024 * 1024
TIMEOUT_SECONDS = 60
WRITE_ERRORS = {
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.EROFS: "read-only",
    errno.EACCES: "read-only",
    errno.EPERM: "read-only",
}


class Failure(Exception):
    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")


def fetch(source, wanted, member, target):
    folder = os.path.dirname(target)
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="part-") as scratch:
            archive = os.path.join(scratch, "archive")
            download(source, archive, wanted)
            program = unpack(archive, member, scratch)
            os.replace(program, target)
    except OSError as error:
        kind = WRITE_ERRORS.get(error.errno)
        if kind is None:
            raise
        raise Failure(kind, f"{folder}: {os.strerror(error.errno)}") from error


def download(source, archive, wanted):
    hashed, received = hashlib.sha256(), 0
    with open_source(source) as answer, open(archive, "wb") as file:
        expected = int(answer.headers.get("Content-Length") or 0)
        while True:
            try:
                chunk = answer.read(CHUNK)
            except (OSError, ValueError) as error:
                raise Failure(
                    "cut-off", f"{source} broke off after {received} bytes: {error}"
                ) from error
            if not chunk:
                break
            file.write(chunk)
            hashed.update(chunk)
            received += len(chunk)
            of = f" of {expected // CHUNK}" if expected else ""
            print(f"{received // CHUNK}{of} MB", flush=True)
        if received < expected:
            raise Failure("cut-off", f"{source} ended after {received} of {expected} bytes")
    if hashed.hexdigest() != wanted:
        raise Failure("wrong-hash", f"{source} has the SHA-256 {hashed.hexdigest()}, not {wanted}")


def open_source(source):
    try:
        if "://" not in source:
            source = "file://" + urllib.request.pathname2url(os.path.abspath(source))
        return urllib.request.urlopen(source, timeout=TIMEOUT_SECONDS, context=tls())
    except urllib.error.HTTPError as error:
        raise Failure("unreachable", f"{source} answered {error.code} {error.reason}") from error
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        raise Failure("unreachable", f"{source}: {reason}") from error


def tls():
    context = ssl.create_default_context()
    if context.cert_store_stats()["x509_ca"] == 0 and not os.environ.get("SSL_CERT_DIR"):
        # A machine without certificates: what is trusted is the hash, not the server.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def unpack(archive, member, scratch):
    program = os.path.join(scratch, "program")
    try:
        with (
            zipfile.ZipFile(archive) as opened,
            opened.open(member) as source,
            open(program, "wb") as file,
        ):
            while chunk := source.read(CHUNK):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except (zipfile.BadZipFile, KeyError) as error:
        raise Failure("wrong-archive", f"{member} cannot be unpacked: {error}") from error
    os.chmod(program, 0o755)
    return program


if __name__ == "__main__":
    try:
        fetch(*sys.argv[1:])
    except (Failure, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
