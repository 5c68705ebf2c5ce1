"""Hostile layers are refused by name and leave nothing outside the root; honest ones are whole."""

import gzip
import hashlib
import io
import os
import shutil
import stat
import tarfile
import tempfile
import unittest

from sandbox_extension.process_engine import layers
from sandbox_extension.process_engine.errors import EngineError

from .images import LAYER, digest, entry, tar

MEGABYTE = 1024**2
GIGABYTE = 1024**3


class LayerTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="layers-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.root = os.path.join(self.folder, "root")
        self.outside = os.path.join(self.folder, "outside")
        os.mkdir(self.root)
        os.mkdir(self.outside)
        with open(os.path.join(self.outside, "secret"), "w") as file:
            file.write("not yours")

    def unpack(self, layer, packed=None, media_type=LAYER, diff_id=None):
        path = os.path.join(self.folder, "layer")
        with open(path, "wb") as file:
            file.write(layer if packed is None else packed)
        layers.unpack(path, media_type, diff_id or digest(layer), self.root, layers.Budget())

    def everything(self, folder):
        found = {}
        for where, folders, files in os.walk(folder):
            for name in folders + files:
                path = os.path.join(where, name)
                status = os.lstat(path)
                found[os.path.relpath(path, folder)] = (
                    stat.S_IFMT(status.st_mode),
                    status.st_nlink,
                )
        return found

    def assert_refused(self, words, *entries):
        before = self.everything(self.outside)
        machine = set(os.listdir("/")) | set(os.listdir("/tmp"))
        with self.assertRaisesRegex(EngineError, words):
            self.unpack(tar(*entries))
        self.assertEqual(self.everything(self.outside), before)
        self.assertNotIn("evil", machine.symmetric_difference(os.listdir("/")))
        self.assertFalse(os.path.exists(os.path.join(self.folder, "evil")))
        self.assertFalse(os.path.exists("/evil"))


class Hostile(LayerTest):
    def test_an_absolute_path(self):
        self.assert_refused("^/evil: an absolute path", entry("/evil", b"x"))

    def test_a_path_that_leads_out(self):
        for name in ("../evil", "a/../../evil", "a/.."):
            with self.subTest(name):
                self.assert_refused("that leads out of its folder", entry(name, b"x"))

    def test_a_link_and_a_file_through_it(self):
        for target in (self.outside, "../outside", "/"):
            with self.subTest(target):
                self.assert_refused(
                    "^way/evil: its folder way is a link or a file",
                    entry("way", kind=tarfile.SYMTYPE, linkname=target),
                    entry("way/evil", b"x"),
                )

    def test_a_file_that_replaces_a_link_does_not_go_through_it(self):
        target = os.path.join(self.outside, "secret")
        self.unpack(tar(entry("way", kind=tarfile.SYMTYPE, linkname=target), entry("way", b"mine")))
        with open(target) as file:
            self.assertEqual(file.read(), "not yours")
        with open(os.path.join(self.root, "way")) as file:
            self.assertEqual(file.read(), "mine")

    def test_a_folder_over_a_link_does_not_change_what_it_points_to(self):
        os.chmod(self.outside, 0o700)
        self.unpack(
            tar(
                entry("way", kind=tarfile.SYMTYPE, linkname=self.outside),
                entry("way", kind=tarfile.DIRTYPE, mode=0o777),
            )
        )
        self.assertEqual(stat.S_IMODE(os.stat(self.outside).st_mode), 0o700)
        self.assertFalse(os.path.islink(os.path.join(self.root, "way")))

    def test_a_hard_link_out(self):
        secret = os.path.join(self.outside, "secret")
        for target, words in (
            (secret, "an absolute path"),
            ("../outside/secret", "leads out of its folder"),
            ("absent", "which is not in the image"),
        ):
            with self.subTest(target):
                self.assert_refused(words, entry("evil", kind=tarfile.LNKTYPE, linkname=target))

    def test_a_hard_link_through_a_link(self):
        self.assert_refused(
            "its folder way is a link or a file",
            entry("way", kind=tarfile.SYMTYPE, linkname=self.outside),
            entry("evil", kind=tarfile.LNKTYPE, linkname="way/secret"),
        )

    def test_a_hard_link_to_a_link(self):
        self.assert_refused(
            "a hard link to way, which is no file",
            entry("way", kind=tarfile.SYMTYPE, linkname=f"{self.outside}/secret"),
            entry("evil", kind=tarfile.LNKTYPE, linkname="way"),
        )

    def test_devices_and_pipes(self):
        for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
            with self.subTest(kind):
                self.assert_refused(
                    "^evil: devices and pipes are not unpacked",
                    entry("evil", kind=kind, devmajor=1, devminor=3),
                )

    def test_a_whiteout_that_leads_out(self):
        for name in (".wh...", ".wh..", ".wh."):
            with self.subTest(name):
                self.assert_refused("a whiteout of nothing", entry(name))
        self.assert_refused(
            "its folder way is a link or a file",
            entry("way", kind=tarfile.SYMTYPE, linkname=self.outside),
            entry("way/.wh.secret"),
        )

    def test_ten_gigabytes_of_nothing(self):
        huge, _ = entry("huge")
        huge.size = 10 * GIGABYTE
        self.assert_refused("^huge: the image is too large", (huge, b""))
        self.assertEqual(os.listdir(self.root), [])

    def test_descriptions_that_are_larger_than_what_they_describe(self):
        long = {"SCHILY.xattr.user.a": "a" * (2 * MEGABYTE)}
        for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
            with self.subTest(kind):
                described, content = entry("huge", b"a" * (2 * MEGABYTE), kind=kind)
                self.assert_refused("is described by 2097152 bytes", (described, content))
        many = b"".join(
            tarfile.TarInfo.create_pax_global_header({f"key{number}": "a" * (MEGABYTE // 2)})
            for number in range(3)
        )
        with self.assertRaisesRegex(EngineError, "is described by"):
            self.unpack(many + tar(entry("file")))
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", pax_headers=long) as archive:
            archive.addfile(tarfile.TarInfo("file"))
        with self.assertRaisesRegex(EngineError, "is described by"):
            self.unpack(packed.getvalue())
        self.assertEqual(os.listdir(self.root), [])

    def test_a_path_that_no_system_takes(self):
        self.assert_refused("a path of 5000 characters", entry("a" * 5000))

    def test_files_with_holes(self):
        sparse, _ = entry("sparse", kind=tarfile.GNUTYPE_SPARSE)
        of_pax = tarfile.TarInfo("sparse")
        of_pax.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "1"}
        for info in (sparse, of_pax):
            self.assert_refused("a sparse file is not unpacked", (info, b""))

    def test_wrong_digest(self):
        layer = tar(entry("file", b"x"))
        with self.assertRaisesRegex(EngineError, "wrong digest: the layer unpacks to sha256:"):
            self.unpack(layer, diff_id="sha256:" + hashlib.sha256(b"other").hexdigest())

    def test_a_cut_off_layer(self):
        layer = tar(entry("file", os.urandom(200_000)))
        packed = gzip.compress(layer)
        for end in (len(packed) // 2, len(packed) - 5, 3):
            with self.subTest(end), self.assertRaisesRegex(EngineError, "damaged or cut off"):
                self.unpack(layer, packed[:end], f"{LAYER}+gzip")

    def test_no_archive_at_all(self):
        for media_type in (LAYER, f"{LAYER}+gzip", f"{LAYER}+zstd"):
            with self.subTest(media_type), self.assertRaises(EngineError):
                self.unpack(b"no archive" * 1000, media_type=media_type)


class Honest(LayerTest):
    def test_files_links_and_modes(self):
        content = os.urandom(300_000)
        layer = tar(
            entry("./", kind=tarfile.DIRTYPE),
            entry("./bin/", kind=tarfile.DIRTYPE),
            entry("./bin/program", content, mode=0o755),
            entry("./bin/same", kind=tarfile.LNKTYPE, linkname="./bin/program"),
            entry("./bin/link", kind=tarfile.SYMTYPE, linkname="/bin/program"),
            entry("tmp", kind=tarfile.DIRTYPE, mode=0o1777),
        )
        import zstandard

        for media_type, packed in (
            (LAYER, layer),
            (f"{LAYER}+gzip", gzip.compress(layer)),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", gzip.compress(layer)),
            (f"{LAYER}+zstd", zstandard.compress(layer)),
        ):
            with self.subTest(media_type):
                self.unpack(layer, packed, media_type)
                with open(os.path.join(self.root, "bin/same"), "rb") as file:
                    self.assertEqual(file.read(), content)
                self.assertEqual(os.readlink(os.path.join(self.root, "bin/link")), "/bin/program")
                self.assertTrue(os.access(os.path.join(self.root, "bin/program"), os.X_OK))

    def test_whiteouts(self):
        self.unpack(
            tar(
                entry("a/one", b"1"),
                entry("a/two", b"2"),
                entry("b/three", b"3"),
                entry("c/four", b"4"),
            )
        )
        self.unpack(
            tar(
                entry("a/.wh.one"),
                entry("b/new", b"n"),
                entry("b/.wh..wh..opq"),
                entry(".wh.c"),
            )
        )
        self.assertEqual(sorted(os.listdir(self.root)), ["a", "b"])
        self.assertEqual(os.listdir(os.path.join(self.root, "a")), ["two"])
        self.assertEqual(os.listdir(os.path.join(self.root, "b")), ["new"])
