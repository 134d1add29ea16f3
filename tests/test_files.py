"""Files are whole or absent; a folder has one run at a time."""

import errno
import json
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import sys
from unittest import mock

import h5py
import numpy as np
import tensorflow as tf

from spl_tf import files
from spl_tf.errors import UserError


class AtomicPathTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_an_interrupted_write_leaves_the_old_content_and_no_rest(self):
        path = self.folder / "a.json"
        files.write_json(path, {"old": 1})
        with self.assertRaises(KeyboardInterrupt), files.atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt
        self.assertEqual(json.loads(path.read_text()), {"old": 1})
        self.assertEqual(os.listdir(self.folder), ["a.json"])

    def test_temporary_names_differ_between_hosts_and_processes_and_keep_the_suffix(self):
        with files.atomic_path(self.folder / "a.json") as temporary:
            temporary.touch()
        self.assertEqual(temporary.name, f".{socket.gethostname()}.{os.getpid()}.tmp.a.json")
        self.assertTrue(temporary.match(files.TEMPORARY))

    def _fail(self, free, error):
        """What `atomic_path` raises for this error on a disk with so many bytes left."""
        usage = shutil.disk_usage(self.folder)._replace(free=free)
        with (
            mock.patch.object(shutil, "disk_usage", return_value=usage),
            self.assertRaises(BaseException) as caught,
            files.atomic_path(self.folder / "w.h5") as temporary,
        ):
            temporary.write_text("half")
            raise error
        self.assertEmpty(os.listdir(self.folder))
        return caught.exception

    def test_a_librarys_own_error_on_a_full_disk_is_a_full_disk(self):
        for error in (RuntimeError("HDF5: unable to flush"), OSError("Can't write data")):
            raised = self._fail(4096, error)
            self.assertIsInstance(raised, OSError)
            self.assertEqual((raised.errno, raised.filename), (errno.ENOSPC, str(self.folder / "w.h5")))
            self.assertIs(raised.__cause__, error)
        raised = self._fail(1 << 30, RuntimeError("HDF5: errno = 28, error message = 'No space left on device'"))
        self.assertEqual(raised.errno, errno.ENOSPC)
        raised = self._fail(1 << 30, RuntimeError("HDF5: errno = 27, error message = 'File too large'"))
        self.assertEqual((raised.errno, raised.filename), (errno.EFBIG, str(self.folder / "w.h5")))

    def test_other_errors_stay_what_they_are(self):
        error = RuntimeError("a defect")
        self.assertIs(self._fail(1 << 30, error), error)
        for error in (UserError("a wrong input"), KeyboardInterrupt()):
            self.assertIs(self._fail(0, error), error)

    def test_what_the_system_refuses_is_named_by_the_file_and_not_by_the_temporary_one(self):
        path = self.folder / "a.json"
        path.mkdir()
        with self.assertRaises(IsADirectoryError) as caught:
            files.write_json(path, {})
        self.assertEqual((caught.exception.filename, caught.exception.filename2), (str(path), None))
        self.assertEqual(os.listdir(self.folder), ["a.json"])
        with self.assertRaises(FileNotFoundError) as caught:  # A folder that takes no files.
            files.write_json("/proc/a.json", {})
        self.assertEqual(caught.exception.filename, "/proc/a.json")
        with self.assertRaises(OSError) as caught:
            files.write_json(self.folder / ("a" * 250), {})  # With the temporary part it is too long.
        self.assertEqual(os.path.basename(caught.exception.filename), "a" * 250)
        self.assertEqual(caught.exception.errno, errno.ENAMETOOLONG)

    def test_an_error_of_another_file_keeps_its_name(self):
        with self.assertRaises(FileNotFoundError) as caught, files.atomic_path(self.folder / "a.json"):
            (self.folder / "source").read_text()
        self.assertEqual(str(caught.exception.filename), str(self.folder / "source"))

    def test_a_file_system_that_runs_full_under_a_library_is_a_full_disk(self):
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", self.folder], capture_output=True)
        if mounted.returncode:
            self.skipTest(f"no right to mount a small file system: {mounted.stderr.decode()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.folder], check=True)
        with (
            self.assertRaises(OSError) as caught,
            files.atomic_path(self.folder / "w.h5") as temporary,
            h5py.File(temporary, "w") as opened,
        ):
            opened["weights"] = np.zeros(1_000_000, np.float32)
        raised = caught.exception
        self.assertEqual((raised.errno, raised.filename), (errno.ENOSPC, str(self.folder / "w.h5")))
        self.assertEmpty(os.listdir(self.folder))

    def test_missing_folders_are_made(self):
        files.write_text(self.folder / "x" / "y" / "a.txt", "ü")
        self.assertEqual((self.folder / "x" / "y" / "a.txt").read_text(encoding="utf-8"), "ü")


class OpenRegularTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_a_file_is_opened_and_what_is_none_is_refused_at_once(self):
        (self.folder / "file").write_bytes(b"content")
        (self.folder / "link").symlink_to("file")
        with files.open_regular(self.folder / "link", "") as opened:
            self.assertEqual(opened.read(), b"content")
        os.mkfifo(self.folder / "pipe")
        os.mknod(self.folder / "socket", stat.S_IFSOCK | 0o600)
        for name, what in (
            ("pipe", "is a named pipe, not a file: mend it"),
            ("socket", "is a socket, not a file: mend it"),
            (".", "is a folder, not a file: mend it"),
            ("/dev/zero", "is a device, not a file: mend it"),
            ("none", "none does not exist: mend it"),
            ("file/below", "file/below does not exist: mend it"),
            ("nul\0", "is no name of a file .*: mend it"),
        ):
            with self.assertRaisesRegex(UserError, what):
                files.require_regular(self.folder / name, "mend it")
        with self.assertRaisesRegex(UserError, "pipe is a named pipe"):
            files.sha256(self.folder / "pipe")


class LockedTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "new" / "D"

    def test_a_missing_folder_is_made_and_keeps_the_lock_file(self):
        with files.locked(self.folder, "the labels"):
            self.assertEqual(os.listdir(self.folder), [".lock"])
        self.assertEqual(os.listdir(self.folder), [".lock"])
        with files.locked(str(self.folder), "the labels"):
            pass

    def test_a_folder_in_use_is_refused_until_its_run_ends_even_when_killed(self):
        code = "import sys, time; from spl_tf.files import locked\n"
        code += "with locked(sys.argv[1], 'x'): print('held', flush=True); time.sleep(600)"
        root = pathlib.Path(__file__).parents[1]
        arguments = [sys.executable, "-c", code, str(self.folder)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=root) as process:
            process.stdout.readline()
            message = f"{self.folder} is in use by another run: wait for it or choose another folder for the labels"
            with self.assertRaisesRegex(UserError, message), files.locked(self.folder, "the labels"):
                pass
            process.kill()
        with files.locked(self.folder, "the labels"):
            pass

    def test_a_file_in_the_folders_place_is_refused(self):
        file = self.folder.parent / "file"
        files.write_text(file, "")
        for folder in (file, file / "sub"):
            with self.assertRaisesRegex(UserError, "is not a folder: choose another one"), files.locked(folder, "x"):
                pass

    def test_a_place_that_takes_no_folder_is_refused(self):
        with self.assertRaisesRegex(UserError, "^/proc/x/y cannot be made there"), files.locked("/proc/x/y", "x"):
            pass
