"""One container's life, with the verbs of docker-py's `Container`."""

import json
import logging
import os
import signal
import subprocess
import threading
import time

from . import images, isolation, memory, processes
from .errors import EngineError, NotFound
from .log import Log

logger = logging.getLogger("sandbox.engine")

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEVER = "0001-01-01T00:00:00Z"
# Of an image's passwd and group, which are read whole.
MAX_TABLE_BYTES = 1024 * 1024


class Container:
    def __init__(self, engine, container_id, image, options):
        self.engine = engine
        self.id = container_id
        self.name = options.get("name") or container_id[:12]
        self.labels = dict(options.get("labels") or {})
        self.status = "created"
        self.image = image
        self.options = options
        self.folder = os.path.join(engine.containers.folder, container_id)
        self.limit = memory.Unlimited()
        self._pid = None
        self._state = {"ExitCode": 0, "OOMKilled": False, "StartedAt": NEVER, "FinishedAt": NEVER}
        self._created = now()
        self._ended = threading.Event()
        os.makedirs(self.folder)
        self.log = Log(os.path.join(self.folder, "log"))

    @property
    def attrs(self):
        return {
            "Id": self.id,
            "Name": f"/{self.name}",
            "Created": self._created,
            "Config": {"Labels": self.labels},
            "NetworkSettings": {"Networks": {}},
            "State": {
                **self._state,
                "Status": self.status,
                "Pid": self._pid or 0,
                "Running": self.status == "running",
            },
        }

    def reload(self):
        """What is asked for is always read anew."""

    def start(self):
        """Returns when the task's program runs; raises EngineError if it cannot."""
        spec = self._spec()
        self.limit = memory.limit_for(
            self.id, self.options.get("mem_limit"), self.engine.control_groups
        )
        if self.limit.folder:
            spec["control_group"] = os.path.join(self.limit.folder, "cgroup.procs")
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        status_read, status_write = os.pipe()
        try:
            launcher = self.engine.spawn(
                isolation.launcher_command(),
                stdin=subprocess.PIPE,
                stdout=out_write,
                stderr=err_write,
                pass_fds=[status_write],
                env={"PATH": DEFAULT_PATH},
            )
        finally:
            for each in (out_write, err_write, status_write):
                os.close(each)
        spec["status_fd"] = status_write
        self._write_record(launcher.pid)
        collector = threading.Thread(
            target=self.log.collect,
            args=([out_read, err_read],),
            daemon=True,
            name=f"sandbox-log-{self.id[:8]}",
        )
        collector.start()
        status = os.fdopen(status_read)
        try:
            with launcher.stdin as stdin:
                stdin.write(json.dumps(spec).encode())
        except BrokenPipeError:
            # It has ended already and says why below.
            pass
        answer = read_status(status)
        if "pid" not in answer:
            launcher.wait()
            status.close()
            collector.join()
            self.limit.finished()
            said = (
                b"".join(entry for _time, entry in self.log._entries(False))
                .decode(errors="replace")
                .strip()
            )
            # A program's own words; the reason is written as Docker writes it.
            what, colon, reason = said.rpartition(": ")
            raise EngineError(
                "failed to create task for container: failed to create shim task: "
                + answer.get("error", f"the launcher ended: {what}{colon}{reason.lower()}")
            )
        self._pid = answer["pid"]
        self._state["StartedAt"] = now()
        self.status = "running"
        self._write_record(launcher.pid, self._pid)
        self.limit.started(self._pid)
        threading.Thread(
            target=self._await_end,
            args=(launcher, status, collector),
            daemon=True,
            name=f"sandbox-end-{self.id[:8]}",
        ).start()

    def _await_end(self, launcher, status, collector):
        with status:
            # A launcher that was killed took its task along.
            code = read_status(status).get("code", 128 + signal.SIGKILL)
        launcher.wait()
        collector.join()
        self._state["OOMKilled"] = self.limit.finished()
        self._state["ExitCode"] = code
        self._state["FinishedAt"] = now()
        self.status = "exited"
        self._ended.set()

    def _spec(self):
        config, options = self.image.config, self.options
        if options.get("volumes"):
            raise EngineError("the process engine mounts no volumes; use the docker engine")
        uid, gid, groups, home = find_user(
            self.image.root, options.get("user") or config.get("User") or "0"
        )
        entry_point = options.get("entrypoint")
        command = options.get("command")
        argv = list(config.get("Entrypoint") or []) if entry_point is None else list(entry_point)
        # As with Docker, another entry point leaves the image's own command out.
        argv += list(
            command
            if command is not None
            else (config.get("Cmd") or [])
            if entry_point is None
            else []
        )
        if not argv:
            raise EngineError("no command specified")
        environment = {"PATH": DEFAULT_PATH, "HOSTNAME": self.id[:12], "HOME": home}
        environment.update(each.partition("=")[::2] for each in config.get("Env") or [])
        environment.update(options.get("environment") or {})
        folder = options.get("working_dir") or config.get("WorkingDir") or "/"
        # No program could have got it, and bubblewrap would take what follows it for an option.
        if any("\0" in word for word in (*argv, *environment, *environment.values(), folder)):
            raise EngineError(
                "a zero byte in the command, the environment or the working directory"
            )
        root = isolation.root_of(self.engine.isolation, self.folder, self.image.root)
        return {
            **root,
            "argv": argv,
            "environment": environment,
            "uid": uid,
            "gid": gid,
            "groups": groups,
            "folder": folder,
            "read_only": bool(options.get("read_only")),
            "hostname": self.id[:12],
            "control_group": None,
            "probe": False,
            "parent": os.getpid(),
        }

    def _write_record(self, launcher, pid=None):
        """For the sandbox that comes after one that was killed, and for people who look."""
        record = {
            "id": self.id,
            "labels": self.labels,
            "control_group": self.limit.folder,
            "processes": [
                {"pid": each, "start_time": processes.start_time(each)}
                for each in (launcher, pid)
                if each
            ],
        }
        path = os.path.join(self.folder, "record.json")
        with open(f"{path}.new", "w") as file:
            json.dump(record, file)
        os.rename(f"{path}.new", path)

    def wait(self, timeout=None):
        if self.status != "created" and not self._ended.wait(timeout):
            raise EngineError(f"container {self.id[:12]} still runs after {timeout} s")
        return {"StatusCode": self._state["ExitCode"]}

    def kill(self, signal=signal.SIGKILL):
        if self.status != "running":
            raise EngineError(f"container {self.id[:12]} is not running")
        processes.kill(self._pid, int(signal))

    def stop(self, timeout=10):
        """SIGTERM, then SIGKILL after `timeout` seconds; returns when the container has ended."""
        if self.status != "running":
            return
        processes.kill(self._pid, signal.SIGTERM)
        if not self._ended.wait(timeout):
            processes.kill(self._pid, signal.SIGKILL)
            self._ended.wait()

    def remove(self, force=False, v=False):
        if self.status == "running":
            if not force:
                raise EngineError(f"container {self.id[:12]} is running")
            processes.kill(self._pid, signal.SIGKILL)
            self._ended.wait()
        if not self.engine.containers.forget(self.id):
            raise NotFound(f"no such container: {self.id}")
        images.remove_tree(self.folder)

    def logs(
        self,
        stream=False,
        follow=False,
        timestamps=True,
        stdout=True,
        stderr=True,
        since=None,
        tail=None,
    ):
        entries = self.log.read(follow=follow, since=since, tail=tail)
        return entries if stream else b"".join(entries)


def read_status(status):
    line = status.readline()
    return json.loads(line) if line else {}


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() % 10**9:09d}Z"


def find_user(root, user):
    """(uid, gid, groups, home) of `USER[:GROUP]`, by number or by name from the image's files."""
    name, _, group = user.partition(":")
    entries = read_table(root, "passwd")
    entry = next((each for each in entries if len(each) > 5 and name in (each[0], each[2])), None)
    if entry:
        uid, gid, home = int(entry[2]), int(entry[3]), entry[5] or "/"
    elif name.isdigit():
        uid, gid, home = int(name), 0, "/"
    else:
        raise EngineError(f"unable to find user {name}: no matching entries in passwd file")
    groups = read_table(root, "group")
    if group:
        found = next(
            (each for each in groups if len(each) > 2 and group in (each[0], each[2])), None
        )
        if not found and not group.isdigit():
            raise EngineError(f"unable to find group {group}: no matching entries in group file")
        return uid, int(found[2]) if found else int(group), [], home
    member_of = [
        int(each[2])
        for each in groups
        if entry and len(each) > 3 and entry[0] in each[3].split(",")
    ]
    return uid, gid, member_of, home


def read_table(root, name):
    """The lines of the image's /etc/NAME; a link is not followed, it could lead out."""
    etc = os.path.join(root, "etc")
    path = os.path.join(etc, name)
    if os.path.islink(etc) or os.path.islink(path) or not os.path.isfile(path):
        return []
    if os.path.getsize(path) > MAX_TABLE_BYTES:
        raise EngineError(f"the image's /etc/{name} has more than {MAX_TABLE_BYTES} bytes")
    with open(path, errors="replace") as file:
        return [line.rstrip("\n").split(":") for line in file]
