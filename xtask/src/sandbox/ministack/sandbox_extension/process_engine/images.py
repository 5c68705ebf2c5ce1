"""Unpacked images, by digest: an image that ran before starts without a byte being moved."""

import json
import os
import shutil
import tempfile
import threading
from types import SimpleNamespace

from . import layers, registry
from .errors import EngineError, NotFound


class Images:
    """docker-py's `client.images`, as far as it is used here."""

    def __init__(self, folder):
        self.blobs = os.path.join(folder, "layers")
        self.roots = os.path.join(folder, "images")
        self._lock = threading.Lock()
        os.makedirs(self.roots, exist_ok=True)
        for name in os.listdir(self.roots):
            # Half-made ones belong to a sandbox that was killed.
            if name.startswith("part-"):
                remove_tree(os.path.join(self.roots, name))

    def get_registry_data(self, name, auth_config=None):
        digest, platforms = registry.resolve(name, auth_config)
        return SimpleNamespace(id=digest, attrs={"Platforms": platforms})

    def pull(self, repository, platform=None, auth_config=None):
        """Unpack an image unless that was done before; returns what `get` returns."""
        machine = registry.this_machine()
        if platform not in (None, machine):
            raise EngineError(
                f"image of {platform} on a machine of {machine}: the process engine "
                "does not emulate; use the docker engine for it"
            )
        reference, image = registry.describe(repository, machine, auth_config)
        if image.platform != machine:
            raise EngineError(
                f"the image is for {image.platform} and this machine is {machine}: "
                "the process engine does not emulate; use the docker engine for it"
            )
        # One at a time: two tasks of the same image would otherwise unpack it twice.
        with self._lock:
            if not os.path.exists(self._meta(image.digest)):
                self._unpack(reference, image)
            # The reference may name an index; both lead to the same root.
            names = os.path.join(self.roots, "names")
            os.makedirs(names, exist_ok=True)
            with open(os.path.join(names, _file_name(repository)), "w") as file:
                file.write(image.digest)
        return self.get(repository)

    def get(self, repository):
        """The image's config and root folder."""
        with self._lock:
            try:
                with open(os.path.join(self.roots, "names", _file_name(repository))) as file:
                    digest = file.read()
                with open(self._meta(digest)) as file:
                    meta = json.load(file)
            except FileNotFoundError as error:
                raise NotFound(f"no such image: {repository}") from error
        return SimpleNamespace(id=digest, config=meta["config"], root=self._root(digest))

    def remove(self, repository):
        with self._lock:
            name = os.path.join(self.roots, "names", _file_name(repository))
            try:
                with open(name) as file:
                    digest = file.read()
                os.unlink(name)
            except FileNotFoundError as error:
                raise NotFound(f"no such image: {repository}") from error
            if digest not in self._digests_in_use():
                remove_file(self._meta(digest))
                remove_tree(self._root(digest))
                self._remove_unused_layers()

    def _unpack(self, reference, image):
        wanted = image.manifest.get("layers", [])
        diff_ids = (image.config.get("rootfs") or {}).get("diff_ids") or []
        if len(diff_ids) != len(wanted):
            raise EngineError(
                f"the image names {len(diff_ids)} layers in its config and "
                f"{len(wanted)} in its manifest"
            )
        files = [registry.fetch_layer(reference, layer, self.blobs) for layer in wanted]
        part = tempfile.mkdtemp(prefix="part-", dir=self.roots)
        os.chmod(part, 0o755)
        try:
            budget = layers.Budget()
            for file, layer, diff_id in zip(files, wanted, diff_ids, strict=True):
                layers.unpack(file, layer.get("mediaType", ""), diff_id, part, budget)
            remove_tree(self._root(image.digest))
            os.rename(part, self._root(image.digest))
        except BaseException:
            remove_tree(part)
            raise
        meta = self._meta(image.digest)
        with open(f"{meta}.new", "w") as file:
            json.dump(
                {
                    "config": image.config.get("config") or {},
                    "layers": [layer["digest"] for layer in wanted],
                },
                file,
            )
        os.rename(f"{meta}.new", meta)

    def _digests_in_use(self):
        names = os.path.join(self.roots, "names")
        digests = set()
        for name in os.listdir(names):
            with open(os.path.join(names, name)) as file:
                digests.add(file.read())
        return digests

    def _remove_unused_layers(self):
        used = set()
        for digest in self._digests_in_use():
            try:
                with open(self._meta(digest)) as file:
                    used.update(each.replace(":", "-") for each in json.load(file)["layers"])
            except FileNotFoundError:
                continue
        for name in os.listdir(self.blobs) if os.path.isdir(self.blobs) else []:
            if name not in used:
                remove_file(os.path.join(self.blobs, name))

    def _root(self, digest):
        return os.path.join(self.roots, digest.replace(":", "-"))

    def _meta(self, digest):
        return f"{self._root(digest)}.json"


def _file_name(reference):
    return reference.replace("/", "+")


def remove_file(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def remove_tree(path):
    """Remove a folder also where a task, or overlayfs, took our own rights in it away."""
    for folder, folders, _files in os.walk(path):
        for name in folders:
            below = os.path.join(folder, name)
            if not os.path.islink(below) and not os.access(below, os.R_OK | os.W_OK | os.X_OK):
                try:
                    os.chmod(below, 0o700)
                except OSError:
                    pass
    shutil.rmtree(path, ignore_errors=True)
