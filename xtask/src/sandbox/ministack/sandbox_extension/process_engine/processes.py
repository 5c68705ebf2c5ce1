"""What /proc tells of this machine's processes."""

import os
import signal

SESSION, START_TIME = 3, 19


def stat(pid):
    """The fields of /proc/PID/stat after the name (0 is the state), or None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else fields


def start_time(pid):
    """Clock ticks since the boot: with it a process id names one process for ever."""
    fields = stat(pid)
    return int(fields[START_TIME]) if fields else None


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def tree(pid):
    """The process and all below it."""
    children = {}
    for each in all_pids():
        fields = stat(each)
        if fields:
            children.setdefault(int(fields[1]), []).append(each)
    found = [pid]
    for each in found:
        found.extend(children.get(each, []))
    return found


def in_session(session, since):
    """The processes of a session that began at the start time `since` or later."""
    found = []
    for pid in all_pids():
        fields = stat(pid)
        if fields and int(fields[SESSION]) == session and int(fields[START_TIME]) >= since:
            found.append(pid)
    return found


def resident_bytes(pid):
    """Memory of its own, as a control group would count it."""
    total = 0
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith((b"RssAnon:", b"RssShmem:")):
                    total += int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return total


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
