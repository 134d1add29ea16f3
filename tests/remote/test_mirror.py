"""What is written to a mirror is in the store, in the order it was written; what is read comes from there."""

import concurrent.futures
import contextlib
import errno
import io
import os
import subprocess
import sys
import threading
import time
from unittest import mock

from absl.testing import absltest, parameterized

from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.remote import fetching, mirror, record, stores
from tests.remote.store_case import StoreCase


class MirrorTest(StoreCase):
    def test_whole_files_are_in_the_store_at_once_and_in_order(self):
        folder, order = mirror.open_folder("memory://w/run"), []
        put = stores.upload
        with mock.patch.object(stores, "upload", lambda path, to: (order.append(to), put(path, to))[1]):
            with files.locked(folder, "x"):
                files.write_text(folder / "sub/data", "1")
                with self.assertRaises(ZeroDivisionError), files.atomic_path(folder / "half") as temporary:
                    temporary.write_text("h")
                    raise ZeroDivisionError
                files.write_text(folder / "marker", "2")
                self.assertEqual(order, ["memory://w/run/sub/data", "memory://w/run/marker"])
                (folder / "by_a_library").write_text("3")
            self.assertEqual(order[2:], ["memory://w/run/by_a_library"])  # Nothing twice.
        self.assertEqual(self.names("w/run"), ["by_a_library", "marker", "sub/data"])

    def test_the_store_is_made_equal_also_where_the_run_fails(self):
        folder = mirror.open_folder("memory://w/run")
        with self.assertRaises(KeyboardInterrupt), files.locked(folder, "x"):
            (folder / "log").write_text("1")
            raise KeyboardInterrupt
        self.assertEqual(self.names("w/run"), ["log"])

    def test_another_machine_finds_all_and_what_is_removed_there_is_gone_here(self):
        folder = mirror.open_folder("memory://w/run")
        for name in ("a", "b", "sub/c", "sub.1"):
            files.write_text(folder / name, name)
        with mock.patch.dict(os.environ, SPL_TF_CACHE_DIR=str(self.folder / "other")):
            other = mirror.open_folder("memory://w/run")
            self.assertEqual((other / "sub/c").read_text(), "sub/c")
            mirror.remove(other / "a")
            mirror.remove_folder(other / "sub")
            files.write_text(other / "b", "anew")
        self.assertEqual(self.names("w/run"), ["b", "sub.1"])
        (folder / "never_uploaded").write_text("x")
        mirror.pull(folder)
        self.assertEqual(sorted(os.listdir(folder)), ["b", "sub", "sub.1"])
        self.assertEqual((folder / "b").read_text(), "anew")
        self.assertEmpty(os.listdir(folder / "sub"))

    def test_what_did_not_change_is_not_fetched_again_and_what_was_edited_is(self):
        folder = mirror.open_folder("memory://w/run")
        files.write_text(folder / "a", "a")
        files.write_text(folder / "b", "b")
        (folder / "b").write_text("edited")
        fetched = []
        get = stores.download
        with mock.patch.object(stores, "download", lambda address, to: (fetched.append(address), get(address, to))):
            mirror.pull(folder)
            mirror.open_file("memory://w/run/a")
        self.assertEqual(fetched, ["memory://w/run/b"])
        self.assertEqual((folder / "b").read_text(), "b")

    def test_shards_checkpoints_and_logs_come_when_they_are_read(self):
        names = ["w.tfrecord", "checkpoints/ckpt-1.index", "logs/events.out.tfevents.1", "dataset.json"]
        for name in names:
            self.store.pipe(f"/w/run/{name}", name.encode())
        folder = mirror.open_folder("memory://w/run")
        self.assertEqual([path.name for path in folder.rglob("*") if path.is_file()], ["dataset.json"])
        self.assertEqual(mirror.size(folder / "w.tfrecord"), len("w.tfrecord"))
        self.assertIsNone(mirror.size(folder / "v.tfrecord"))
        mirror.push(folder)  # What is not fetched is not gone.
        self.assertLen(self.names("w/run"), 4)
        mirror.fetch(folder / "w.tfrecord", folder / "v.tfrecord", self.folder / "local")
        mirror.fetch_folder(folder / "checkpoints")
        self.assertEqual((folder / "w.tfrecord").read_text(), "w.tfrecord")
        self.assertTrue((folder / "checkpoints/ckpt-1.index").exists())
        self.assertFalse((folder / "logs").exists())

    def test_shards_make_room_for_others_those_first_that_were_not_used_for_longest(self):
        for number in range(6):
            self.store.pipe(f"/w/s/{number}.tfrecord", b"x" * 100)
        with mock.patch.dict(os.environ, SPL_TF_CACHE_GB="4e-7"), mock.patch.object(fetching, "_SHARDS_KEPT", 2):
            folder = mirror.open_folder("memory://w/s")
            for number in (0, 1, 2, 3, 0, 4, 5):
                mirror.fetch(folder / f"{number}.tfrecord")
                time.sleep(0.002)
            self.assertEqual(sorted(path.stem for path in folder.iterdir()), ["0", "3", "4", "5"])
            mirror.fetch(folder / "1.tfrecord")
        self.assertEqual((folder / "1.tfrecord").read_bytes(), b"x" * 100)
        with (
            mock.patch.dict(os.environ, SPL_TF_CACHE_GB="much"),
            self.assertRaisesRegex(UserError, "SPL_TF_CACHE_GB=much: give a number of gigabytes"),
        ):
            mirror.fetch(folder / "2.tfrecord")

    def test_temporary_files_locks_and_spools_stay_on_this_machine(self):
        folder = mirror.open_folder("memory://w/run")
        with files.locked(folder, "x"):
            files.write_text(folder / ".progress/spool-1/w.tfrecord", "half")
            (folder / ".host.1.tmp.a").write_text("half")
            os.mkdir(folder / "ckpt-1_temp")
            (folder / "ckpt-1_temp/part").write_text("half")
        self.assertEmpty(self.names())

    def test_put_first_is_in_the_store_once(self):
        folder = mirror.open_folder("memory://w/run")
        folder.mkdir(parents=True)
        self.assertTrue(files.put_first(folder / "note", "first"))
        self.assertFalse(files.put_first(folder / "note", "second"))
        self.assertEqual(self.store.cat("/w/run/note"), b"first")

    def test_a_folder_that_another_run_on_this_machine_writes_is_taken_as_it_is(self):
        folder = mirror.open_folder("memory://w/run")
        with files.locked(folder, "x"):
            (folder / "sub").mkdir()
            (folder / "sub/being_written").write_text("x")
            code = "import sys; from spl_tf.remote import mirror; print(*mirror.open_folder(sys.argv[1]).iterdir())"
            other = subprocess.run(
                [sys.executable, "-c", code, "memory://w/run/sub"], check=True, capture_output=True, text=True
            )
            self.assertIn("being_written", other.stdout)
        mirror.remove(folder / "sub/being_written")

    def test_several_processes_may_fetch_one_folder_at_once(self):
        for number in range(20):
            self.store.pipe(f"/w/run/{number}", b"%d" % number)
        folder, read = self.cache / "memory/w/run", []
        mirror.pull(folder)
        get, one_reader = stores.download, threading.Lock()

        def download(address, path):
            with one_reader:  # Of a file in memory.
                get(address, path)

        self.enterContext(mock.patch.object(stores, "download", download))

        def look():
            mirror.pull(folder)
            read.append([(folder / str(number)).read_text() for number in range(20)])

        for number in range(20):  # None is as it was noted.
            os.utime(folder / str(number), (number, number))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for looked in [pool.submit(look) for _ in range(12)]:
                looked.result()
        self.assertEqual(read, [[str(number) for number in range(20)]] * 12)
        self.assertEmpty(os.listdir(self.cache / ".incoming"))

    def test_what_a_killed_process_was_fetching_is_removed_a_day_later(self):
        (self.cache / ".incoming").mkdir(parents=True)
        for name, age in (("old", 90_000), ("new", 10)):
            (self.cache / ".incoming" / name).touch()
            os.utime(self.cache / ".incoming" / name, (time.time() - age,) * 2)
        mirror.open_folder("memory://w/run")
        self.assertEqual(os.listdir(self.cache / ".incoming"), ["new"])

    def test_renamed_folders_are_renamed_in_the_store(self):
        folder = mirror.open_folder("memory://w/run")
        files.write_text(folder / "step/a", "a")
        (folder / "step").rename(folder / "step.replaced-1")
        mirror.push(folder)
        self.assertEqual(self.names("w/run"), ["step.replaced-1/a"])

    def test_an_object_cut_short_on_its_way_is_no_file(self):
        self.store.pipe("/w/run/a", b"whole")
        with (
            mock.patch.object(stores, "download", lambda address, to: open(to, "w").close()),
            self.assertRaisesRegex(UserError, r"memory://w/run/a gave 0 bytes of 5"),
        ):
            mirror.open_folder("memory://w/run")
        self.assertEmpty(list(self.cache.glob("memory/w/run/*")))
        self.assertEqual(mirror.open_file("memory://w/run/a").read_text(), "whole")

    def test_no_object_gets_out_of_its_mirror(self):
        self.store.pipe("/w/run/ok", b"x")
        names = ("../../../escaped", "a//b", "./c", "ok")
        found = {f"/w/run/{name}": {"size": 1, "created": 0.0} for name in names}
        with (
            mock.patch.object(type(self.store), "find", return_value=found),
            contextlib.redirect_stderr(io.StringIO()) as said,
        ):
            folder = mirror.open_folder("memory://w/run")
        self.assertEqual([path.name for path in folder.rglob("*")], ["ok"])
        self.assertFalse((self.folder / "escaped").exists())
        self.assertIn("memory://w/run: left out 3 objects that no file can be called", said.getvalue())

    def test_a_killed_upload_is_found_by_the_store_being_what_counts(self):
        folder = mirror.open_folder("memory://w/run")
        files.write_text(folder / "a", "old")
        with (
            mock.patch.object(record, "put", side_effect=KeyboardInterrupt),
            contextlib.suppress(KeyboardInterrupt),
        ):
            files.write_text(folder / "a", "new")
        mirror.pull(folder)
        self.assertEqual((folder / "a").read_text(), "new")

    def test_missing_files_and_folders_are_named_by_address(self):
        with self.assertRaisesRegex(UserError, "memory://w/none does not exist, or is no file"):
            mirror.open_file("memory://w/none")
        self.store.pipe("/w/run/a", b"a")
        with self.assertRaisesRegex(UserError, "memory://w/run does not exist, or is no file"):
            mirror.open_file("memory://w/run")


class StoresTest(StoreCase):
    @parameterized.parameters(
        (PermissionError("Forbidden"), r"memory://w/a: permission denied \(Forbidden\): check credentials"),
        (OSError(errno.EIO, "no route"), r"memory://w/a cannot be reached \(.*no route\): the same command goes on"),
        (RuntimeError("Unable to locate credentials"), "memory://w/a: no credentials .*docs/remote.md"),
        (FileNotFoundError("w"), "memory://w/a is not there, or there is no memory://w: make the bucket"),
    )
    def test_what_a_store_answers_is_one_line(self, error, line):
        with (
            mock.patch.object(type(self.store), "get_file", side_effect=error),
            self.assertRaisesRegex(UserError, line),
        ):
            stores.download("memory://w/a", str(self.folder / "a"))

    def test_a_full_local_disk_is_not_taken_for_a_store(self):
        error = OSError(errno.ENOSPC, "No space left on device", "/x")
        with mock.patch.object(type(self.store), "get_file", side_effect=error), self.assertRaises(OSError) as caught:
            stores.download("memory://w/a", str(self.folder / "a"))
        self.assertEqual(caught.exception.errno, errno.ENOSPC)

    def test_a_missing_package_or_an_unknown_scheme_is_named(self):
        stores._filesystem.cache_clear()
        self.addCleanup(stores._filesystem.cache_clear)
        with (
            mock.patch.dict(sys.modules, s3fs=None, gcsfs=None),
            self.assertRaisesRegex(
                UserError, r"s3:// cannot be reached, a package is missing .*: pip install 'spl_tf\[s3\]'"
            ),
        ):
            stores.list_objects("s3://b/x")
        with self.assertRaisesRegex(UserError, "nosuch:// is no scheme that fsspec knows"):
            stores.look_up("nosuch://b/x")


if __name__ == "__main__":
    absltest.main()
