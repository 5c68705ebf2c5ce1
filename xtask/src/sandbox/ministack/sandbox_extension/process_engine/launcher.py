"""Starts one container and reports its end. It is a program of its own: nothing else is imported.

MiniStack has many threads, and only a process with one may enter namespaces. The description of the
container comes on stdin, since its environment may hold secrets; its stdout and stderr are the
task's. What happens is told as JSON lines on a descriptor of its own: {"pid": N} once the task's
program runs or {"error": TEXT} if it cannot, then {"code": N}.

It dies with MiniStack, and the task dies with it: the kernel kills both (PR_SET_PDEATHSIG), and
with the first process of a pid namespace everything in it.
"""

import ctypes
import errno
import json
import os
import signal
import stat
import sys
import time

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
# Docker's, without those that make devices, raw sockets and audit records.
KEPT_CAPABILITIES = {0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31}
LAST_CAPABILITY = 63
CAP_SYS_CHROOT = 18
# What root changes of the whole machine by way of /proc; Docker has the same two lists.
READ_ONLY_IN_PROC = ("bus", "fs", "irq", "sys", "sysrq-trigger")
HIDDEN_IN_PROC = ("acpi", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list")
DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
FILES_OF_THE_MACHINE = ("hosts", "resolv.conf")
# How long a program may take to replace a bubblewrap that does not let us look at it.
STARTED_AFTER_SECONDS = 1

libc = ctypes.CDLL(None, use_errno=True)


class StartError(Exception):
    """Why the task's program does not run."""


def main():
    spec = json.load(sys.stdin)
    status = os.fdopen(spec["status_fd"], "w", buffering=1)
    die_with(spec["parent"])
    os.dup2(os.open("/dev/null", os.O_RDWR), 0)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    group = os.open(spec["control_group"], os.O_WRONLY) if spec["control_group"] else None
    try:
        if spec["isolation"] == "namespaces":
            enter_namespaces(spec)
    except OSError as error:
        status.write(json.dumps({"error": f"entering namespaces: {error}"}) + "\n")
        return
    go_read, go_write = os.pipe()
    error_read, error_write = os.pipe()
    told_read, told_write = os.pipe()
    child = os.fork()
    if child == 0:
        status.close()
        os.close(go_write)
        os.close(error_read)
        os.close(told_read)
        spec["told"] = told_write
        become_the_task(spec, go_read, error_write)
    os.close(error_write)
    os.close(told_write)
    # The task alone holds its pipes now, so that their end is its end.
    os.dup2(0, 1)
    os.dup2(0, 2)
    if group is not None:
        os.write(group, str(child).encode())
        os.close(group)
    os.write(go_write, b"g")
    with os.fdopen(error_read) as errors:
        error = errors.read()
    if spec["isolation"] == "bubblewrap" and not error:
        follow_bubblewrap(child, told_read, status)
        return
    status.write(json.dumps({"error": error} if error else {"pid": child}) + "\n")
    code = reap(child, spec["isolation"])
    if not error:
        status.write(json.dumps({"code": code}) + "\n")


def die_with(parent):
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def enter_namespaces(spec):
    """The mounts come later, in the task alone: pivot_root moves the root of all who share them."""
    flags = CLONE_NEWPID
    uid, gid = os.geteuid(), os.getegid()
    if spec["own_user_namespace"]:
        flags |= CLONE_NEWUSER
    check(libc.unshare(flags), "unshare")
    if spec["own_user_namespace"]:
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"{spec['uid']} {uid} 1")
        write("/proc/self/gid_map", f"{spec['gid']} {gid} 1")
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # Changed credentials clear it; MiniStack may have died in between.
        if os.getppid() != spec["parent"]:
            sys.exit(1)


def become_the_task(spec, go_read, error_write):
    """Never returns."""
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        # Nothing to read means that the launcher has died.
        if os.read(go_read, 1) != b"g":
            os._exit(1)
        if spec["isolation"] == "bubblewrap":
            become_bubblewrap(spec)
        elif spec["isolation"] == "namespaces":
            check(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC), "unshare")
            check(libc.sethostname(spec["hostname"].encode(), len(spec["hostname"])), "hostname")
            enter_root(spec)
        elif spec["isolation"] == "chroot":
            make_device_nodes(spec["root"])
            os.chroot(spec["root"])
            os.chdir("/")
        take_user(spec)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # Cleared by the change of the user.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        reset_signals()
        if spec["probe"]:
            os._exit(0)
        execute(spec)
    except (OSError, StartError) as error:
        os.write(error_write, str(error).encode())
    finally:
        os._exit(125)


def reset_signals():
    for number in signal.Signals:
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)


def become_bubblewrap(spec):
    """It makes the namespaces and the mounts, and stays as the parent of the task."""
    root = spec["root"]
    copy_files_of_the_machine(root)
    for name in ("proc", "dev"):
        folder_in(root, name)
    # Options are read from a file without a name: the environment may hold secrets.
    options = os.memfd_create("options")
    text = "\0".join([*bubblewrap_options(spec), "--json-status-fd", str(spec["told"]), ""])
    os.write(options, os.fsencode(text))
    os.lseek(options, 0, os.SEEK_SET)
    for each in (options, spec["told"]):
        os.set_inheritable(each, True)
    reset_signals()
    program = spec["bubblewrap"]
    os.execv(program, [program, "--args", str(options), "--", *spec["argv"]])


def bubblewrap_options(spec):
    root = ["--ro-bind" if spec["read_only"] else "--bind", spec["root"], "/"]
    environment = [
        word for name, value in spec["environment"].items() for word in ("--setenv", name, value)
    ]
    return [
        *("--unshare-user", "--uid", str(spec["uid"]), "--gid", str(spec["gid"])),
        *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", spec["hostname"]),
        *("--die-with-parent", "--as-pid-1"),
        *root,
        *("--proc", "/proc", "--dev", "/dev", "--chdir", spec["folder"]),
        *("--clearenv", *environment),
    ]


def follow_bubblewrap(child, told, status):
    """It tells the task's process id first and an exit code last, unless nothing was started."""
    with os.fdopen(told) as documents:
        first = documents.readline()
        task = json.loads(first)["child-pid"] if first else None
        if task and has_started(task, child):
            status.write(json.dumps({"pid": task}) + "\n")
            task = None
        code = reap(child, "bubblewrap")
        ran = any("exit-code" in json.loads(line) for line in documents)
    if ran and task:
        status.write(json.dumps({"pid": task}) + "\n")
    if ran or task is None and first:
        status.write(json.dumps({"code": code}) + "\n")


def has_started(task, bubblewrap):
    """Whether the program has taken over; False once both have ended."""
    deadline = time.monotonic() + STARTED_AFTER_SECONDS
    while os.waitid(os.P_PID, bubblewrap, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        try:
            if os.readlink(f"/proc/{task}/exe") != os.readlink(f"/proc/{bubblewrap}/exe"):
                return True
        except OSError:
            # A bubblewrap with rights of its own does not let us look.
            if time.monotonic() > deadline:
                return True
        time.sleep(0.001)
    return False


def enter_root(spec):
    check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "private mounts")
    root = spec["root"]
    overlay = spec["overlay"]
    if overlay:
        options = "lowerdir={lower},upperdir={upper},workdir={work}".format(**overlay) + (
            ",userxattr" if spec["own_user_namespace"] else ""
        )
        mount("overlay", root, "overlay", 0, options)
    else:
        mount(root, root, None, MS_BIND | MS_REC)
    copy_files_of_the_machine(root)
    proc = folder_in(root, "proc")
    mount("proc", proc, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    close_proc(proc)
    make_dev(folder_in(root, "dev"))
    os.chdir(root)
    check(libc.pivot_root(b".", b"."), "pivot_root")
    check(libc.umount2(b".", MNT_DETACH), "umount of the machine's root")
    os.chdir("/")
    if spec["read_only"]:
        make_read_only("/")


def close_proc(proc):
    for name in READ_ONLY_IN_PROC:
        path = os.path.join(proc, name)
        if os.path.exists(path):
            show(path, path)
    for name in HIDDEN_IN_PROC:
        path = os.path.join(proc, name)
        if os.path.isdir(path):
            mount("tmpfs", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
        elif os.path.exists(path):
            show("/dev/null", path)


def show(path, target):
    """The machine's file, which keeps its mode and owner; a device is written to all the same."""
    mount(path, target, None, MS_BIND)
    make_read_only(target)


def make_read_only(path):
    # What the file system has already must be named again.
    kept = os.statvfs(path).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def folder_in(root, name):
    """A folder in the root; an image must not lead us elsewhere with a link of that name."""
    path = os.path.join(root, name)
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise StartError(f"the image's /{name} is no folder") from None
    return path


def copy_files_of_the_machine(root):
    etc = folder_in(root, "etc")
    for name in FILES_OF_THE_MACHINE:
        try:
            with open(f"/etc/{name}", "rb") as file:
                content = file.read()
        except OSError:
            continue
        path = os.path.join(etc, name)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
            file.write(content)


def make_dev(dev):
    mount("tmpfs", dev, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=65536k")
    for name in DEVICES:
        path = os.path.join(dev, name)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        show(f"/dev/{name}", path)
    for name, target in LINKS.items():
        os.symlink(target, os.path.join(dev, name))
    shm = os.path.join(dev, "shm")
    os.mkdir(shm)
    mount("tmpfs", shm, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=65536k")


def make_device_nodes(root):
    """For a chroot, in which nothing can be mounted."""
    dev = folder_in(root, "dev")
    for name, (major, minor) in DEVICES.items():
        path = os.path.join(dev, name)
        if not os.path.lexists(path):
            try:
                os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
                os.chmod(path, 0o666)
            except PermissionError:
                continue


def take_user(spec):
    if spec["isolation"] == "in-place":
        return
    # Out of a chroot leads another one.
    kept = KEPT_CAPABILITIES - ({CAP_SYS_CHROOT} if spec["isolation"] == "chroot" else set())
    for capability in range(LAST_CAPABILITY + 1):
        if capability not in kept:
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    if not spec["own_user_namespace"]:
        os.setgroups(spec["groups"])
        os.setgid(spec["gid"])
        os.setuid(spec["uid"])


def execute(spec):
    argv, environment = spec["argv"], spec["environment"]
    below = spec["root"] if spec["isolation"] == "in-place" else ""
    try:
        os.chdir(below + spec["folder"])
    except OSError as error:
        raise StartError(
            f"chdir to cwd ({json.dumps(spec['folder'])}) set in config.json failed: "
            f"{os.strerror(error.errno).lower()}"
        ) from error
    name = argv[0]
    if "/" in name:
        candidates = [name]
    else:
        path = environment.get("PATH", "")
        candidates = [os.path.join(folder, name) for folder in path.split(":") if folder]
    refused = None
    for candidate in candidates:
        program = below + candidate if candidate.startswith("/") else candidate
        try:
            os.execve(program, argv, environment)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR) or "/" in name:
                refused = error
    quoted = json.dumps(name)
    if refused is None:
        raise StartError(f"exec: {quoted}: executable file not found in $PATH")
    how = "stat " if refused.errno == errno.ENOENT else ""
    raise StartError(f"exec: {quoted}: {how}{name}: {os.strerror(refused.errno).lower()}")


def reap(child, isolation):
    """The exit code of the task, after everything that it left behind has ended, too."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return code
        if pid == child:
            value = os.waitstatus_to_exitcode(status)
            code = value if value >= 0 else 128 - value
        # A pid namespace ends with its first process.
        if code is not None and isolation != "namespaces":
            kill_children()


def kill_children():
    """Without a pid namespace the task's own children become ours when it ends."""
    me = str(os.getpid()).encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = file.read().rpartition(b")")[2].split()[1]
                if parent == me:
                    os.kill(int(name), signal.SIGKILL)
            except OSError:
                continue


def mount(source, target, kind, flags, options=None):
    encoded = [
        None if each is None else os.fsencode(each) for each in (source, target, kind, options)
    ]
    check(
        libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]),
        f"mounting {kind or source} on {target}",
    )


def check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
