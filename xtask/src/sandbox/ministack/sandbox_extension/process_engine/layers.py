"""Unpacks a layer into a root folder, and refuses by name whatever would leave it.

A layer is written by strangers. Every path is walked component by component from the root's own
file descriptor without following a link, so that neither `..` nor a link that an earlier entry put
there leads outside. Devices, pipes and paths through links are refused, sizes are bounded, and what
is written replaces what was there instead of writing into it: files may be shared with the root of
another image by hard links.
"""

import gzip
import hashlib
import os
import shutil
import stat
import tarfile

from .errors import EngineError

MAX_ROOT_BYTES = 8 * 1024**3
MAX_ENTRIES = 1_000_000
# Of what an archive says of an entry beside its header: names of more than 100 bytes, attributes.
MAX_EXTENSION_BYTES = 1024**2
MAX_PATH_BYTES = 4096
CHUNK = 1024 * 1024
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class Entry(tarfile.TarInfo):
    """An entry whose description is bounded: tarfile reads the whole of it into memory."""

    def _proc_member(self, archive):
        described = self.size if self.type in EXTENSIONS else 0
        if self.type == tarfile.XGLTYPE:
            # It holds for all entries after it, so that it is never forgotten.
            described += getattr(archive, "described", 0)
            archive.described = described
        if described > MAX_EXTENSION_BYTES:
            raise EngineError(
                f"an entry of a layer is described by {described} bytes, "
                f"the limit is {MAX_EXTENSION_BYTES}"
            )
        if self.type == tarfile.GNUTYPE_SPARSE:
            self._refuse_holes()
        return super()._proc_member(archive)

    def _refuse_holes(self, *_arguments):
        # Their list may be as long as the archive likes. Docker packs no files with holes.
        raise EngineError(f"{self.name}: a sparse file is not unpacked")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_holes


class Budget:
    """What all layers of an image may take together."""

    def __init__(self, max_bytes=MAX_ROOT_BYTES, max_entries=MAX_ENTRIES):
        self.bytes = max_bytes
        self.entries = max_entries

    def take(self, name, size):
        self.entries -= 1
        self.bytes -= size
        if self.bytes < 0:
            raise EngineError(
                f"{name}: the image is too large to be unpacked, the limit is "
                f"{MAX_ROOT_BYTES // 1024**3} GiB"
            )
        if self.entries < 0:
            raise EngineError(f"{name}: the image has more than {MAX_ENTRIES} files")
        if len(name) > MAX_PATH_BYTES:
            raise EngineError(f"{name[:80]}…: a path of {len(name)} characters in a layer")


def unpack(path, media_type, diff_id, root, budget):
    """Unpack the layer in the file `path`; `diff_id` is the digest of what it is uncompressed."""
    with open(path, "rb") as blob, _decompressed(blob, media_type) as plain:
        stream = _Hashed(plain)
        try:
            with tarfile.open(fileobj=stream, mode="r|", errorlevel=2, tarinfo=Entry) as archive:
                _Unpacker(root, budget).unpack(archive)
            while stream.read(CHUNK):
                pass
        except EngineError:
            raise
        except OSError as error:
            if error.errno is not None:
                raise EngineError(f"unpacking a layer: {error}") from error
            raise EngineError(f"the layer is damaged or cut off: {error}") from error
        except Exception as error:
            # tarfile and each decompressor have errors of their own.
            raise EngineError(f"the layer is damaged or cut off: {error}") from error
        actual = f"sha256:{stream.hash.hexdigest()}"
        if diff_id and actual != diff_id:
            raise EngineError(f"wrong digest: the layer unpacks to {actual}, not to {diff_id}")


def _decompressed(blob, media_type):
    if media_type.endswith(("gzip", "diff.tar.gzip")):
        return gzip.GzipFile(fileobj=blob)
    if media_type.endswith("zstd"):
        return _zstd(blob)
    return open(blob.fileno(), "rb", closefd=False)


def _zstd(blob):
    try:
        from compression import zstd  # Python 3.14

        return zstd.ZstdFile(blob)
    except ImportError:
        import zstandard

        # Without a limit of its own a frame may ask for gigabytes of memory.
        return zstandard.ZstdDecompressor(max_window_size=128 * 1024**2).stream_reader(
            blob, read_across_frames=True
        )


class _Hashed:
    def __init__(self, stream):
        self.stream = stream
        self.hash = hashlib.sha256()
        # Files, their headers, and what stands behind the archive's end.
        self.left = MAX_ROOT_BYTES + MAX_ENTRIES * 1024

    def read(self, size):
        data = self.stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise EngineError("a layer is too large to be unpacked")
        self.hash.update(data)
        return data


class _Unpacker:
    def __init__(self, root, budget):
        self.root = root
        self.budget = budget
        self.as_root = os.geteuid() == 0
        # An opaque folder hides what lower layers had there, not what its own layer has.
        self.written = set()

    def unpack(self, archive):
        while (member := archive.next()) is not None:
            # tarfile keeps every entry, for a reader that goes back.
            archive.members.clear()
            self.budget.take(member.name, member.size if member.isreg() else 0)
            parts = split(member.name)
            if not parts:
                continue
            parent = self.open_folder(parts[:-1], member.name)
            try:
                self.unpack_member(archive, member, parts, parent)
            finally:
                os.close(parent)

    def unpack_member(self, archive, member, parts, parent):
        name = parts[-1]
        if name == OPAQUE:
            self.hide_all(parts[:-1], parent)
            return
        if name.startswith(WHITEOUT):
            hidden = name[len(WHITEOUT) :]
            if hidden in ("", ".", ".."):
                raise EngineError(f"{member.name}: a whiteout of nothing")
            remove(parent, hidden)
            return
        if member.isdir():
            self.make_folder(member, name, parent)
        elif member.isreg():
            self.make_file(archive, member, name, parent)
        elif member.issym():
            remove(parent, name)
            os.symlink(member.linkname, name, dir_fd=parent)
            if self.as_root:
                os.chown(name, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
        elif member.islnk():
            self.make_hard_link(member, name, parent)
        else:
            raise EngineError(f"{member.name}: devices and pipes are not unpacked")
        self.written.add(tuple(parts))

    def open_folder(self, parts, shown):
        """A descriptor of a folder below the root; missing ones are made, no link is followed."""
        current = os.open(self.root, DIRECTORY)
        for part in parts:
            try:
                try:
                    following = os.open(part, DIRECTORY, dir_fd=current)
                except FileNotFoundError:
                    os.mkdir(part, 0o755, dir_fd=current)
                    following = os.open(part, DIRECTORY, dir_fd=current)
            except OSError as error:
                raise EngineError(f"{shown}: its folder {part} is a link or a file") from error
            finally:
                os.close(current)
            current = following
        return current

    def make_folder(self, member, name, parent):
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
                remove(parent, name)
                os.mkdir(name, 0o755, dir_fd=parent)
        folder = os.open(name, DIRECTORY, dir_fd=parent)
        try:
            self.set_owner_and_mode(folder, member, 0o700)
        finally:
            os.close(folder)

    def make_file(self, archive, member, name, parent):
        remove(parent, name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, 0o600, dir_fd=parent), "wb") as file:
            shutil.copyfileobj(archive.extractfile(member), file, CHUNK)
            file.flush()
            self.set_owner_and_mode(file.fileno(), member, 0o400)
            os.utime(file.fileno(), (member.mtime, member.mtime))

    def set_owner_and_mode(self, descriptor, member, least):
        # Without root nobody else's files can be made, so our own must stay readable for us.
        if self.as_root:
            os.fchown(descriptor, member.uid, member.gid)
            os.fchmod(descriptor, member.mode & 0o7777)
        else:
            os.fchmod(descriptor, member.mode & 0o777 | least)

    def make_hard_link(self, member, name, parent):
        source_parts = split(member.linkname)
        if not source_parts:
            raise EngineError(f"{member.name}: a hard link to the root")
        source = self.open_folder(source_parts[:-1], f"{member.name} -> {member.linkname}")
        try:
            found = os.lstat(source_parts[-1], dir_fd=source)
            if not stat.S_ISREG(found.st_mode):
                raise EngineError(
                    f"{member.name}: a hard link to {member.linkname}, which is no file"
                )
            if source_parts != split(member.name):
                remove(parent, name)
                os.link(
                    source_parts[-1],
                    name,
                    src_dir_fd=source,
                    dst_dir_fd=parent,
                    follow_symlinks=False,
                )
        except FileNotFoundError as error:
            raise EngineError(
                f"{member.name}: a hard link to {member.linkname}, which is not in the image"
            ) from error
        finally:
            os.close(source)

    def hide_all(self, parts, folder):
        for name in os.listdir(folder):
            if (*parts, name) not in self.written:
                remove(folder, name)


def split(name):
    """The components of a path in a layer; none for the root itself."""
    if name.startswith("/"):
        raise EngineError(f"{name}: an absolute path in a layer")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise EngineError(f"{name}: a path in a layer that leads out of its folder")
    if any("\0" in part for part in parts):
        raise EngineError(f"{name!r}: a path with a zero byte")
    return parts


def remove(parent, name):
    """Remove a file, a link or a whole folder, whatever is there."""
    try:
        if stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
            _remove_folder(parent, name)
        else:
            os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        pass


def _remove_folder(parent, name):
    folder = os.open(name, DIRECTORY, dir_fd=parent)
    try:
        for below in os.listdir(folder):
            remove(folder, below)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=parent)
