"""What a container wrote, kept in a file from which any number of readers follow.

Both pipes are read by one thread, so that a task which writes much is slowed down and never loses a
line. An entry is a line, or 16,384 bytes of a longer one, as Docker keeps it.
"""

import os
import selectors
import struct
import threading
import time

ENTRY_BYTES = 16_384
HEADER = struct.Struct("<QI")


class Log:
    def __init__(self, path):
        self.path = path
        self._file = open(path, "wb")
        self._size = 0
        self._closed = False
        self._changed = threading.Condition()

    def collect(self, pipes):
        """Read the pipes to their ends, then close them and the log."""
        pending = dict.fromkeys(pipes, b"")
        with selectors.DefaultSelector() as selector:
            for pipe in pipes:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                for key, _events in selector.select():
                    data = os.read(key.fd, 65_536)
                    if not data:
                        selector.unregister(key.fd)
                        os.close(key.fd)
                    entries, pending[key.fd] = cut(pending[key.fd] + data, ended=not data)
                    self._append(entries)
        self.close()

    def _append(self, entries):
        if not entries:
            return
        now = time.time_ns()
        block = b"".join(HEADER.pack(now, len(entry)) + entry for entry in entries)
        self._file.write(block)
        self._file.flush()
        with self._changed:
            self._size += len(block)
            self._changed.notify_all()

    def close(self):
        self._file.close()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def read(self, follow=False, since=None, tail=None):
        """The entries, each with its time in front, as docker-py gives them with `timestamps`."""
        entries = self._entries(follow)
        if tail is not None:
            entries = list(entries)[-tail:] if tail else []
        for nanoseconds, entry in entries:
            if since is None or nanoseconds >= since * 10**9:
                yield timestamp(nanoseconds) + b" " + entry

    def _entries(self, follow):
        try:
            file = open(self.path, "rb")
        except FileNotFoundError:
            return
        position = 0
        with file:
            while True:
                with self._changed:
                    while follow and not self._closed and position >= self._size:
                        self._changed.wait()
                    size = self._size
                if position >= size:
                    return
                while position < size:
                    nanoseconds, length = HEADER.unpack(file.read(HEADER.size))
                    yield nanoseconds, file.read(length)
                    position += HEADER.size + length


def cut(data, ended):
    """(entries, rest): whole lines and full pieces of long ones; at the end also what is left."""
    entries = []
    start = 0
    while start < len(data):
        stop = data.find(b"\n", start, start + ENTRY_BYTES) + 1
        if not stop:
            stop = start + ENTRY_BYTES
            if stop > len(data):
                break
        entries.append(data[start:stop])
        start = stop
    rest = data[start:]
    if ended and rest:
        entries.append(rest)
        rest = b""
    return entries, rest


_second = (0, b"")


def timestamp(nanoseconds):
    global _second
    seconds, rest = divmod(nanoseconds, 10**9)
    known, text = _second
    if known != seconds:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode()
        _second = (seconds, text)
    return b"%s.%09dZ" % (text, rest)
