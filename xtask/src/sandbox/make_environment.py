"""Make a Python environment and install pinned requirements into it.

    make_environment.py FOLDER REQUIREMENTS

Debian keeps what `venv` needs to bring pip along in a package of its own (python3-venv). Where it
is missing, the environment is made without pip, and a pinned pip, downloaded from the package index
that pip itself would use and checked by its hash, installs the requirements. Only the standard
library, 3.10 or newer, is needed.
"""

import configparser
import hashlib
import html.parser
import os
import ssl
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

PIP = "pip-25.3-py3-none-any.whl"
PIP_SHA256 = "9655943313a94722b7774661c21049070f6bbb0a1516bf02f7c8d5d9201514cd"
DEFAULT_INDEX = "https://pypi.org/simple"
CONFIGURATIONS = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
TIMEOUT_SECONDS = 60


def main(folder, requirements):
    try:
        import venv
    except ImportError:
        sys.exit(f"{sys.executable} has no venv module: on Debian and Ubuntu, apt install python3")
    has_pip = can_bring_pip()
    venv.create(folder, with_pip=has_pip, symlinks=True)
    python = os.path.join(folder, "bin", "python")
    with tempfile.TemporaryDirectory() as scratch:
        # A wheel is an archive that Python can run.
        pip = ["-m", "pip"] if has_pip else [os.path.join(download_pip(scratch), "pip")]
        options = ["--quiet", "--require-hashes", "--only-binary=:all:"]
        command = [python, *pip, "install", *options, "--disable-pip-version-check"]
        sys.exit(subprocess.run([*command, "--requirement", requirements]).returncode)


def can_bring_pip():
    try:
        import ensurepip

        return bool(ensurepip.version())
    except (ImportError, OSError):
        return False


def download_pip(folder):
    index = index_url().rstrip("/")
    page = f"{index}/pip/"
    try:
        with urllib.request.urlopen(page, timeout=TIMEOUT_SECONDS, context=tls()) as answer:
            links = Links(answer.read().decode())
        address = urllib.parse.urljoin(page, links.to(PIP))
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS, context=tls()) as answer:
            wheel = answer.read()
    except OSError as error:
        sys.exit(
            f"{sys.executable} comes without pip, and {PIP} cannot be had from {page}: {error}\n"
            "on Debian and Ubuntu, `apt install python3-venv` brings pip along"
        )
    actual = hashlib.sha256(wheel).hexdigest()
    if actual != PIP_SHA256:
        sys.exit(f"{PIP} from {page} has the SHA-256 {actual}, not {PIP_SHA256}")
    path = os.path.join(folder, PIP)
    with open(path, "wb") as file:
        file.write(wheel)
    return path


def index_url():
    """Where pip would look: its environment variable, else the last of its files that says so."""
    url = DEFAULT_INDEX
    for path in CONFIGURATIONS:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(os.path.expanduser(path))
        url = parser.get("global", "index-url", fallback=url)
    return os.environ.get("PIP_INDEX_URL") or url


def tls():
    context = ssl.create_default_context()
    if context.cert_store_stats()["x509_ca"] == 0 and not os.environ.get("SSL_CERT_DIR"):
        # A machine without certificates: what is trusted is the hash, not the server.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Links(html.parser.HTMLParser):
    """The links of an index page, by the file's name."""

    def __init__(self, page):
        super().__init__()
        self.found = {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        address = dict(attrs).get("href")
        if tag == "a" and address:
            address = address.split("#", 1)[0]
            self.found[address.rsplit("/", 1)[-1]] = address

    def to(self, name):
        if name not in self.found:
            raise OSError(f"the page does not name {name}")
        return self.found[name]


if __name__ == "__main__":
    main(*sys.argv[1:])
