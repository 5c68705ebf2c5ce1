"""The best isolation that this machine allows, found by trying it."""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from . import images, launcher

logger = logging.getLogger("sandbox.engine")

LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launcher.py")
PROBE_SECONDS = 20


@dataclass(frozen=True)
class Isolation:
    """How containers are kept apart; `mode` is one of MODES."""

    mode: str
    own_user_namespace: bool
    overlay: bool

    def describe(self):
        """One line for people."""
        if self.mode == "namespaces":
            how = (
                "user, mount and pid namespaces"
                if self.own_user_namespace
                else "mount and pid namespaces, as root"
            )
            layer = "a throw-away layer" if self.overlay else "a copy"
            return f"{how}, each on {layer} of its image; the network is this machine's"
        if self.mode == "bubblewrap":
            return "bubblewrap, each in a copy of its image; the network is this machine's"
        if self.mode == "chroot":
            return (
                "a chroot as root, since this machine allows no namespaces; "
                "processes and network are this machine's"
            )
        return (
            "none: this machine allows neither namespaces nor a chroot, "
            "so programs start in place, as you"
        )


IN_PLACE = Isolation("in-place", False, False)


def candidates():
    """What may work, by the name that SANDBOX_ISOLATION has for it, best first."""
    as_root = os.geteuid() == 0
    if as_root:
        yield "namespaces", Isolation("namespaces", False, True)
        yield "namespaces", Isolation("namespaces", False, False)
    if shutil.which("bwrap"):
        yield "bubblewrap", Isolation("bubblewrap", True, False)
    yield "user-namespaces", Isolation("namespaces", True, True)
    yield "user-namespaces", Isolation("namespaces", True, False)
    if as_root:
        yield "chroot", Isolation("chroot", False, False)
    yield "in-place", IN_PLACE


def find(folder):
    """The best that works in `folder`; SANDBOX_ISOLATION names another one, for tests."""
    wanted = os.environ.get("SANDBOX_ISOLATION")
    for name, candidate in candidates():
        if wanted in (None, "", name):
            problem = None if candidate == IN_PLACE else probe(candidate, folder)
            if problem is None:
                return candidate
            logger.info("no %s: %s", candidate, problem)
    sys.exit(f"error: SANDBOX_ISOLATION is {wanted}, which is unknown or impossible here")


def probe(isolation, folder):
    """Why an empty container does not start this way, or None when it does."""
    if isolation.mode == "bubblewrap":
        return probe_bubblewrap()
    scratch = tempfile.mkdtemp(prefix="probe-", dir=folder)
    try:
        spec = {
            "argv": [],
            "environment": {},
            "folder": "/",
            "uid": 65532,
            "gid": 65532,
            "groups": [],
            "read_only": False,
            "hostname": "probe",
            "control_group": None,
            "probe": True,
            **root_of(isolation, scratch, None),
        }
        read, write = os.pipe()
        try:
            process = subprocess.Popen(
                launcher_command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[write],
            )
        finally:
            os.close(write)
        with os.fdopen(read) as status:
            text = json.dumps({**spec, "status_fd": write, "parent": os.getpid()})
            output, _ = process.communicate(text.encode(), timeout=PROBE_SECONDS)
            for line in status:
                answer = json.loads(line)
                if "error" in answer:
                    return answer["error"]
                if "code" in answer:
                    return None if answer["code"] == 0 else f"exit code {answer['code']}"
        return output.decode(errors="replace").strip() or "the launcher said nothing"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        images.remove_tree(scratch)


def probe_bubblewrap():
    """As `probe`, with this machine's own files: bubblewrap starts nothing from an empty root."""
    spec = {
        "root": "/",
        "read_only": True,
        "uid": 65532,
        "gid": 65532,
        "hostname": "probe",
        "folder": "/",
        "environment": {},
    }
    command = ["bwrap", *launcher.bubblewrap_options(spec), sys.executable, "-I", "-S", "-c", ""]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=PROBE_SECONDS)
    except subprocess.CalledProcessError as error:
        return error.stderr.strip() or f"exit code {error.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None


def launcher_command():
    # Isolated, without site-packages: it starts in a third of the time.
    return [sys.executable, "-I", "-S", "-B", LAUNCHER]


def root_of(isolation, folder, image_root):
    """A root of its own for a container below `folder`; without an image an empty one."""
    root = os.path.join(folder, "root")
    common = {
        "isolation": isolation.mode,
        "own_user_namespace": isolation.own_user_namespace,
        "root": root,
        "overlay": None,
        "bubblewrap": shutil.which("bwrap"),
    }
    if isolation.overlay:
        upper, work = os.path.join(folder, "upper"), os.path.join(folder, "work")
        lower = image_root or os.path.join(folder, "lower")
        for each in (root, upper, work, lower):
            os.makedirs(each, exist_ok=True)
        if image_root:
            # The root folder itself is taken from the upper layer.
            shutil.copystat(image_root, upper)
        common["overlay"] = {"lower": lower, "upper": upper, "work": work}
    elif image_root is None:
        os.mkdir(root)
    else:
        subprocess.run(["cp", "-a", image_root, root], check=True, stdin=subprocess.DEVNULL)
    return common
