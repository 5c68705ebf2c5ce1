"""A container's memory limit: a control group where we may make one, else a watched size."""

import logging
import os
import threading
import time

from . import processes

logger = logging.getLogger("sandbox.engine")

V1 = "/sys/fs/cgroup/memory"
V2 = "/sys/fs/cgroup"
OURS = "background-tasks-sandbox"
WATCH_SECONDS = 0.02


def find_control_groups():
    """The folder in which control groups with a memory limit can be made, or None."""
    for base, limit in ((V2, "memory.max"), (V1, "memory.limit_in_bytes")):
        probe = os.path.join(base, OURS, f"probe-{os.getpid()}")
        try:
            os.makedirs(probe)
            _write(probe, limit, 64 * 1024 * 1024)
            return os.path.join(base, OURS)
        except OSError:
            continue
        finally:
            remove_group(probe)
    return None


def limit_for(container_id, limit, groups):
    """What holds the container to `limit` bytes; None means no limit."""
    if not limit:
        return Unlimited()
    if groups:
        try:
            return ControlGroup(os.path.join(groups, container_id), limit)
        except OSError as error:
            logger.warning("no control group for container %s: %s", container_id[:12], error)
    return Watched(limit)


class Unlimited:
    folder = None

    def started(self, pid):
        pass

    def finished(self):
        """Whether the container ran out of memory."""
        return False


class ControlGroup:
    def __init__(self, folder, limit):
        self.folder = folder
        os.makedirs(folder)
        self.version2 = os.path.exists(os.path.join(folder, "memory.max"))
        if self.version2:
            _write(folder, "memory.max", limit)
            self._optional("memory.swap.max", 0)
        else:
            _write(folder, "memory.limit_in_bytes", limit)
            # Missing where the kernel does not count swap.
            self._optional("memory.memsw.limit_in_bytes", limit)

    def _optional(self, name, value):
        if os.path.exists(os.path.join(self.folder, name)):
            _write(self.folder, name, value)

    def started(self, pid):
        pass

    def finished(self):
        counters = "memory.events" if self.version2 else "memory.oom_control"
        killed = 0
        with open(os.path.join(self.folder, counters)) as file:
            for line in file:
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    killed = int(value)
        remove_group(self.folder)
        return killed > 0


class Watched:
    """Kills a container that is over its limit: later than the kernel would, by up to 20 ms."""

    folder = None

    def __init__(self, limit):
        self.limit = limit
        self.killed = False
        self.ended = threading.Event()

    def started(self, pid):
        threading.Thread(
            target=self._watch, args=(pid,), daemon=True, name=f"sandbox-memory-{pid}"
        ).start()

    def _watch(self, pid):
        while not self.ended.wait(WATCH_SECONDS):
            tree = processes.tree(pid)
            if sum(processes.resident_bytes(each) for each in tree) > self.limit:
                self.killed = True
                for each in tree:
                    processes.kill(each)
                return

    def finished(self):
        self.ended.set()
        return self.killed


def remove_group(folder):
    """Remove a control group and, when it was the last one, ours around it."""
    for _attempt in range(50):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            break
        except OSError:
            # The kernel needs a moment after the last process has ended.
            for pid in _members(folder):
                processes.kill(pid)
            time.sleep(0.02)
            continue
        break
    try:
        os.rmdir(os.path.dirname(folder))
    except OSError:
        pass


def _members(folder):
    try:
        with open(os.path.join(folder, "cgroup.procs")) as file:
            return [int(line) for line in file]
    except OSError:
        return []


def _write(folder, name, value):
    # Not made where it is missing: the place of control groups may be an ordinary folder.
    with open(os.open(os.path.join(folder, name), os.O_WRONLY), "w") as file:
        file.write(str(value))
