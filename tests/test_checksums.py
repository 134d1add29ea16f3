"""Checksums find any changed bit, name the file, and their list is what coreutils write."""

import contextlib
import hashlib
import io
import json
import pathlib
import subprocess
from typing import Any

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import checksums, files
from spl_tf.errors import UserError
from spl_tf.stored import read_json

NAMES = ["a.bin", "back\\slash", "line\nbreak", "two  blanks # hash", "ünï.json"]


def _flipped(content):
    """The content with one bit flipped, for every byte; which of its bits goes round."""
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        yield bytes(flipped)


class ListTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        for name in NAMES:
            (self.folder / name).write_bytes(name.encode() * 3)
        checksums.complete(self.folder, dict.fromkeys(NAMES), "done.json", "{}\n")

    def test_whole_files_are_told_their_sha256(self):
        for name in [*NAMES, "done.json"]:
            path = self.folder / name
            self.assertEqual(checksums.require_whole(path, "x"), hashlib.sha256(path.read_bytes()).hexdigest())

    def test_coreutils_check_the_folder(self):
        check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
        done = subprocess.run(check, cwd=self.folder, capture_output=True, text=True, check=True)
        self.assertLen(done.stdout.splitlines(), len(NAMES) + 1)
        (self.folder / "a.bin").write_bytes(b"other")
        self.assertEqual(subprocess.run(check, cwd=self.folder, capture_output=True, check=False).returncode, 1)

    def test_any_changed_bit_of_a_file_is_refused_by_name_with_the_remedy(self):
        path = self.folder / "ünï.json"
        for content in [*_flipped(path.read_bytes()), b"", path.read_bytes() + b"\n"]:
            path.write_bytes(content)
            with self.assertRaisesRegex(UserError, "ünï.json is damaged .*SHA256SUMS says.*: take another$"):
                checksums.require_whole(path, "take another")

    def test_any_changed_bit_of_the_list_is_told_from_damage_of_the_files(self):
        path = self.folder / "SHA256SUMS"
        for content in [*_flipped(path.read_bytes()), b""]:
            path.write_bytes(content)
            with self.assertRaisesRegex(UserError, "SHA256SUMS is damaged: copy it again, or delete it alone"):
                checksums.require_whole(self.folder / "a.bin", "x")

    def test_a_missing_file_is_named(self):
        (self.folder / "a.bin").unlink()
        with self.assertRaisesRegex(UserError, "a.bin does not exist: look for it"):
            checksums.require_whole(self.folder / "a.bin", "look for it")

    def test_a_file_of_an_older_folder_is_taken_as_it_is_and_that_is_said_once(self):
        (self.folder / "SHA256SUMS").unlink()
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            for name in NAMES:
                checksums.require_whole(self.folder / name, "x")
        self.assertEqual(said.getvalue(), f"{self.folder} has no SHA256SUMS: what lies in it is used unchecked\n")

    def test_known_checksums_are_taken_over(self):
        checksums.complete(self.folder, {"a.bin": "f" * 64}, "done.json", "{}\n")
        with self.assertRaisesRegex(UserError, "a.bin is damaged"):
            checksums.require_whole(self.folder / "a.bin", "x")
        self.assertEqual(checksums.listed(self.folder).keys(), {"a.bin", "done.json"})

    def test_the_marker_is_written_last(self):
        (self.folder / "done.json").unlink()
        with self.assertRaisesRegex(UserError, "gone.bin does not exist"):
            checksums.complete(self.folder, {"gone.bin": None}, "done.json", "{}\n")
        self.assertFalse((self.folder / "done.json").exists())


class OwnChecksumTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "f"

    def test_json_is_refused_or_says_the_same_whichever_bit_is_flipped(self):
        content = {"b": [1, 2.5, None], "a": {"ä": True, "n": 1e300}}
        files.write_json(self.path, checksums.sealed(content))
        read = 0
        for flipped in _flipped(self.path.read_bytes()):
            self.path.write_bytes(flipped)
            with contextlib.suppress(UserError):
                found = checksums.unsealed(read_json(self.path, dict[str, Any], "x"), self.path, "x")
                read += 1
                # What hides the field is a change of its name alone.
                self.assertLess(set(content), set(found) | {"x"})
                self.assertEqual({name: found[name] for name in content}, content)
        self.assertGreater(read, 0)  # Blanks between values.

    def test_json_of_before_there_were_checksums_is_read(self):
        self.assertEqual(checksums.unsealed({"a": 1}, self.path, "x"), {"a": 1})
        with self.assertRaisesRegex(UserError, "f is damaged or was edited .*: look at it"):
            checksums.unsealed(json.loads('{"a": 2, "sha256": "0"}'), self.path, "look at it")

    def test_a_file_is_not_whole_whichever_bit_is_flipped_or_wherever_it_is_cut(self):
        values = np.arange(40).reshape(4, 10)
        with open(self.path, "wb") as opened:
            np.save(opened, values)
        self.assertFalse(checksums.ends_with_checksum(self.path))
        checksums.append_checksum(self.path)
        self.assertTrue(checksums.ends_with_checksum(self.path))
        self.assertAllEqual(np.load(self.path), values)
        self.assertAllEqual(np.load(self.path, mmap_mode="r"), values)
        content = self.path.read_bytes()
        for damaged in [*_flipped(content), *(content[:size] for size in range(0, len(content), 7)), content + b"\n"]:
            self.path.write_bytes(damaged)
            self.assertFalse(checksums.ends_with_checksum(self.path))
        self.path.unlink()
        self.assertFalse(checksums.ends_with_checksum(self.path))
