"""Addresses and the paths of their mirrors follow from each other; what is no address is refused."""

import os
from unittest import mock

from absl.testing import absltest, parameterized

from spl_tf import files
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.remote import addresses


class AddressesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.cache = self.create_tempdir().full_path
        self.enterContext(mock.patch.dict(os.environ, SPL_TF_CACHE_DIR=self.cache))

    @parameterized.parameters("s3://b/run/seed0", "gs://b", "memory://w/a b/ü=1", "abfs://box@account.net/x")
    def test_a_mirrors_path_gives_its_address_again(self, address):
        path = addresses.mirror_path(f"{address}/")
        self.assertTrue(path.is_relative_to(self.cache))
        self.assertEqual(addresses.address_of(path), address)
        self.assertEqual(addresses.address_of(path / "x.json"), f"{address}/x.json")
        self.assertEqual(addresses.local_path(addresses.shown(path)), str(path))

    @parameterized.parameters("s3://", "s3:///x", "s3://b//x", "s3://b/../x", "s3://b/./x", "file:///x", "x", "s3:/b/x")
    def test_what_would_leave_the_mirrors_or_is_no_address_is_refused(self, text):
        with self.assertRaisesRegex(UserError, "is no address of a store: give e.g. s3://bucket/folder"):
            addresses.mirror_path(text)

    @parameterized.parameters("/tmp/x", "x", "s3/b/x", "")
    def test_other_paths_have_no_address(self, path):
        self.assertIsNone(addresses.address_of(path))
        self.assertIsNone(addresses.address_of(self.cache))
        self.assertEqual(addresses.local_path(path), path)

    def test_messages_show_addresses(self):
        path = addresses.mirror_path("s3://b/run")
        text = f"{path}/a.json is damaged: see {path}, not {self.cache}/s3 and not /home/s3/b"
        shown = f"s3://b/run/a.json is damaged: see s3://b/run, not {self.cache}/s3 and not /home/s3/b"
        self.assertEqual(addresses.with_addresses(text), shown)

    @parameterized.parameters("s3://b/x", "s3:/b/x", "gs:/b/x", "memory://b/x")
    def test_code_without_mirrors_does_not_write_to_a_folder_of_that_name(self, text):
        folder = self.enterContext(_inside(self.create_tempdir().full_path))
        with self.assertRaisesRegex(UserError, "is an address of a store, and a local path is needed here"):
            files.write_text(text, "a")
        with self.assertRaisesRegex(UserError, "is an address of a store"), files.locked(text, "x"):
            pass
        self.assertEmpty(os.listdir(folder))
        with self.assertRaisesRegex(UserError, "is an address of a store"):
            load_dataset(text)


class _inside:  # noqa: N801  As contextlib.chdir, which tells the folder.
    def __init__(self, folder: str):
        self._folder = folder

    def __enter__(self) -> str:
        self._before = os.getcwd()
        os.chdir(self._folder)
        return self._folder

    def __exit__(self, *exception: object) -> None:
        os.chdir(self._before)


if __name__ == "__main__":
    absltest.main()
