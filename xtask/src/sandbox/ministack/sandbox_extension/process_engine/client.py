"""The engine's client: what MiniStack gets where it would get docker-py's."""

import contextlib
import json
import logging
import os
import queue
import secrets
import subprocess
import threading
from concurrent.futures import Future

from . import images, isolation, memory, processes
from .container import Container
from .errors import NotFound

logger = logging.getLogger("sandbox.engine")


class Engine:
    """One a sandbox; `folder` is its own, and whatever is in it at the start is a leftover."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.containers = Containers(self)
        self.containers.remove_leftovers()
        self.images = images.Images(folder)
        self.networks = Networks()
        self.control_groups = memory.find_control_groups()
        self.isolation = isolation.find(folder)
        self._spawns = queue.SimpleQueue()
        # The kernel kills a launcher when the thread that started it ends, so this one never does.
        threading.Thread(target=self._spawn_for_ever, daemon=True, name="sandbox-spawn").start()

    def describe(self):
        limit = "control groups" if self.control_groups else "watching their size"
        return f"processes without Docker: {self.isolation.describe()}; memory limits by {limit}"

    def spawn(self, command, **options):
        future = Future()
        self._spawns.put((future, command, options))
        return future.result()

    def _spawn_for_ever(self):
        while True:
            future, command, options = self._spawns.get()
            try:
                future.set_result(subprocess.Popen(command, **options))
            except BaseException as error:
                future.set_exception(error)

    def events(self, **_options):
        """Lack of memory is known at the exit here, so there are no later events about it."""
        return iter(())

    def close(self):
        for container in self.containers.list(all=True):
            with contextlib.suppress(NotFound):
                container.remove(force=True)


class Networks:
    def get(self, name):
        raise NotFound(f"network {name}: containers are on this machine's network")


class Containers:
    """docker-py's `client.containers`."""

    def __init__(self, engine):
        self.engine = engine
        self.folder = os.path.join(engine.folder, "containers")
        self._known = {}
        self._lock = threading.Lock()

    def create(self, image, **options):
        container = Container(
            self.engine, secrets.token_hex(32), self.engine.images.get(image), options
        )
        with self._lock:
            self._known[container.id] = container
        return container

    def run(self, image, **options):
        container = self.create(image, **options)
        container.start()
        return container

    def get(self, container_id):
        with self._lock:
            if container_id in self._known:
                return self._known[container_id]
        raise NotFound(f"no such container: {container_id}")

    def list(self, all=False, sparse=False, filters=None):
        wanted = (filters or {}).get("label") or []
        wanted = [wanted] if isinstance(wanted, str) else wanted
        with self._lock:
            known = list(self._known.values())
        return [
            each
            for each in known
            if (all or each.status == "running")
            and {text.partition("=")[::2] for text in wanted} <= set(each.labels.items())
        ]

    def forget(self, container_id):
        """Whether it was known."""
        with self._lock:
            return self._known.pop(container_id, None) is not None

    def remove_leftovers(self):
        """End and remove what a killed sandbox left; with a pid namespace nothing runs any more."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return
        for name in names:
            folder = os.path.join(self.folder, name)
            try:
                with open(os.path.join(folder, "record.json")) as file:
                    record = json.load(file)
            except (OSError, ValueError):
                record = {"processes": []}
            for each in record["processes"]:
                end_leftover(each["pid"], each["start_time"])
            if record.get("control_group"):
                memory.remove_group(record["control_group"])
            images.remove_tree(folder)
        if names:
            logger.info("removed %d container(s) of an earlier sandbox", len(names))


def end_leftover(pid, since):
    """Kill a process and its session, unless the number belongs to another process by now."""
    if since is None:
        return
    if processes.start_time(pid) == since:
        processes.kill(pid)
    leader = processes.start_time(pid)
    # While members of a session live, no new process gets its number.
    if leader in (None, since):
        for member in processes.in_session(pid, since):
            processes.kill(member)
