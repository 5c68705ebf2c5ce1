"""The secrets of this sandbox, in a file that only its owner reads.

Gap: MiniStack takes any key, and whoever can call it can start a container as root.

Here: each sandbox makes up its own secrets at its first start and keeps them in `keys.json` in its
folder, mode 0600. Two key pairs: `control` is for its owner's tools and may do everything; `tasks`
is what containers get, see task_rights.py. The registry and GitHub's stand-in have a secret each.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass

from . import settings

FILE = "keys.json"
# Without 0, 1, 8 and 9: as AWS's own.
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@dataclass(frozen=True)
class Keys:
    control_id: str
    control_secret: str
    tasks_id: str
    tasks_secret: str
    registry_password: str
    github_token: str

    def secret_of(self, access_key_id):
        return {self.control_id: self.control_secret, self.tasks_id: self.tasks_secret}.get(
            access_key_id
        )

    def registry_login(self):
        """What docker-py takes to log in to our registry."""
        return {"username": "AWS", "password": self.registry_password}

    def registry_token(self):
        return base64.b64encode(f"AWS:{self.registry_password}".encode()).decode()

    def proof(self, question):
        """What only this sandbox can answer; of no use for anything else."""
        message = b"sandbox proof " + question
        return hmac.new(self.control_secret.encode(), message, hashlib.sha256).hexdigest()


_keys = None


def get():
    """Read once; made when there are none."""
    global _keys
    if _keys is None:
        _keys = _read() or _make()
    return _keys


def _path():
    return os.path.join(settings.state_dir(), FILE)


def _read():
    try:
        with open(os.open(_path(), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)) as file:
            os.fchmod(file.fileno(), 0o600)
            return Keys(**json.load(file))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _make():
    made = Keys(
        control_id=_access_key_id("AKIA"),
        control_secret=secrets.token_hex(20),
        tasks_id=_access_key_id("ASIA"),
        tasks_secret=secrets.token_hex(20),
        registry_password=secrets.token_hex(20),
        github_token=secrets.token_hex(20),
    )
    beside = f"{_path()}.new"
    # One that a killed start has left may be somebody else's by its mode.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(made), file)
    os.rename(beside, _path())
    return made


def _access_key_id(prefix):
    return prefix + "".join(secrets.choice(LETTERS) for _ in range(16))
