"""A store in memory, and machines with mirrors of their own."""

import os
import pathlib
import shutil
from unittest import mock

import pytest
from absl.testing import parameterized

from spl_tf.remote import mirror


class StoreCase(parameterized.TestCase):
    """memory://w is an empty store; `on_another_machine` empties the cache."""

    def setUp(self):
        super().setUp()
        fsspec = pytest.importorskip("fsspec")
        self.store = fsspec.filesystem("memory")
        self.store.store.clear()
        self.store.pseudo_dirs[:] = [""]
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.cache = self.folder / "cache"
        self.enterContext(mock.patch.dict(os.environ, SPL_TF_CACHE_DIR=str(self.cache)))

    def on_another_machine(self):
        shutil.rmtree(self.cache, ignore_errors=True)
        mirror._told_of.clear()

    def names(self, folder="w"):
        """Of the objects below a folder of the store."""
        return sorted(name.removeprefix(f"/{folder}/") for name in self.store.find(f"/{folder}"))
