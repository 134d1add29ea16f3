"""Shards made by several tasks: the bytes of one process, whichever tasks die, and who is refused."""

import contextlib
import dataclasses
import io
import os
import pathlib
import subprocess
import sys
import threading
from unittest import mock

import pytest

from spl_tf.claims import Claims, Task
from spl_tf.data.building import shard_files
from spl_tf.data.building.resume import Progress
from spl_tf.data.duplicates import fingerprint_files
from spl_tf.data.verify import verify
from spl_tf.errors import UserError
from tests.data.building.shards_case import CLASSES, FORMAT, ShardsCase

ROOT = pathlib.Path(__file__).parents[3]
LEASE = 2.0


def contents(folder):
    """Name -> content of all files but the lock."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != ".lock"}


class ShardTasksTest(ShardsCase):
    def setUp(self):
        super().setUp()
        self.write(self.folder / "E", num_shards=5, keep_duplicates=True)
        self.expected = contents(self.folder / "E")

    def write_as(self, task, **changes):
        with contextlib.redirect_stdout(io.StringIO()):
            return self.write(**{"num_shards": 5, "keep_duplicates": True, "task": task, **changes})

    def assert_finished(self):
        self.assertEqual(contents(self.output), self.expected)
        self.assertCountEqual(os.listdir(self.output), [*self.expected, ".lock"])
        self.assertEmpty(verify(self.output).faults)

    def test_tasks_side_by_side_make_the_bytes_of_one_process(self):
        made = []
        threads = [
            threading.Thread(target=lambda number=number: made.append(self.write_as(Task(number, 3, LEASE))))
            for number in (1, 2, 3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertLen(made, 3)
        self.assertEqual(made[0], made[2])
        self.assert_finished()
        self.assertEqual(self.write_as(Task(9, 9, LEASE)), made[0])  # Late, it finds all done.

    def test_one_task_alone_takes_over_what_a_killed_one_held(self):
        task = Task(1, 2, LEASE)
        stopped = mock.patch.object(shard_files, "write_missing_shards", side_effect=KeyboardInterrupt)
        with stopped, self.assertRaises(KeyboardInterrupt):
            self.write_as(task)
        dead = Claims(Progress(self.output).claims, task)  # As if it were killed: it never says that it ended.
        dead.beat()
        for unit in ("web-00000-of-00005", "web-00003-of-00005", "finish"):
            self.assertTrue(dead.take(unit))
        (self.output / ".host.123.tmp.web-00003-of-00005.tfrecord").write_bytes(b"half")
        self.write_as(Task(2, 2, LEASE))
        self.assert_finished()

    def test_tasks_share_out_the_fingerprints_and_take_over_those_of_a_dead_one(self):
        (self.folder / "v0.mp4").write_bytes(b"no video")
        (self.folder / "v5.mp4").write_bytes((self.folder / "v8.mp4").read_bytes())
        self.write(self.folder / "F", num_shards=5)
        self.expected, task, output = contents(self.folder / "F"), Task(1, 2, LEASE), io.StringIO()
        self.assertIn(b"duplicate", self.expected["rejected.csv"])
        stopped = mock.patch.object(fingerprint_files, "_save", side_effect=KeyboardInterrupt)
        with (
            mock.patch.object(fingerprint_files, "_PER_PIECE", 2),
            mock.patch.object(fingerprint_files, "run_in_workers", wraps=fingerprint_files.run_in_workers) as run,
        ):
            # Killed tasks don't say that they ended.
            with stopped, mock.patch.object(Claims, "_show"), self.assertRaises(KeyboardInterrupt):
                self.write_as(task, keep_duplicates=False)
            with contextlib.redirect_stdout(output):
                self.write(num_shards=5, task=Task(2, 2, LEASE))
        self.assertIn("task 2/2: takes over fingerprints-", output.getvalue())
        # Four pieces of the eight different files, one of them twice; the plan asks again for what is no video.
        self.assertEqual([len(call.args[1]) for call in run.call_args_list], [2, 2, 2, 2, 2, 1])
        self.assert_finished()

    def test_of_two_that_write_one_shard_note_and_file_are_of_the_same(self):
        """A paused task's unit is done by another one, with another result: a time limit passed in one of them."""
        plan_of, states = {}, []
        save_state = Progress.save_state

        def save_twice(progress, name, plan, state, written):
            if not states:
                other = written.parent.parent / "spool-other"
                other.mkdir()
                (other / written.name).write_bytes(b"of another task")
                states.append(dataclasses.replace(state, records=1, num_bytes=15))
                save_state(progress, name, plan, states[0], other / written.name)
            save_state(progress, name, plan, state, written)
            plan_of[name] = progress.state(name, plan)

        with mock.patch.object(Progress, "save_state", save_twice):
            self.write_as(Task(1, 1, LEASE))
        name = next(iter(plan_of))
        self.assertEqual(plan_of[name], states[0])
        self.assertEqual((self.output / f"{name}.tfrecord").read_bytes(), b"of another task")

    def test_a_paused_task_that_wakes_when_all_is_done_returns(self):
        write, slept = shard_files.write_shard_file, []

        def sleeps(*arguments):
            if not slept:
                slept.append(1)
                self.write_as(Task(2, 2, LEASE))
                self.assert_finished()
            return write(*arguments)

        with (
            mock.patch.object(shard_files, "write_shard_file", sleeps),
            mock.patch.object(Claims, "beat"),
        ):
            self.write_as(Task(1, 2, LEASE))
        self.assert_finished()

    def test_what_differs_is_refused_by_name(self):
        tasks = Progress(self.output).claims
        stopped = mock.patch.object(shard_files, "write_missing_shards", side_effect=KeyboardInterrupt)
        with stopped, self.assertRaises(KeyboardInterrupt):
            self.write_as(Task(1, 2, LEASE))
        asked = (tasks / "asked.json").read_bytes()
        for changes, message in (
            ({"fps": 5.0}, "made with fps 10.0, not 5.0: choose another"),
            ({"classes": CLASSES[::-1]}, "made with another list of classes"),
            ({"task": Task(2, 2, 5.0)}, "work with lease_seconds 2.0, this one with 5.0"),
            ({"task": Task(2, 2, LEASE, "9.9")}, "work with version , this one with 9.9"),
            ({"seconds_per_video": 9.0}, "work with seconds_per_video 600.0, this one with 9.0"),
        ):
            with self.assertRaisesRegex(UserError, message):
                self.write_as(**{"task": Task(2, 2, LEASE), **changes})
        self.write_manifest(self.rows[1:])
        with self.assertRaisesRegex(UserError, "made with another content of the manifest"):
            self.write_as(Task(2, 2, LEASE))
        (self.output / ".progress/plan.jsonl").unlink()  # As while it is made.
        with self.assertRaisesRegex(UserError, "work with manifest_sha256 .*, this one with"):
            self.write_as(Task(2, 2, LEASE))
        self.write_manifest(self.rows)
        with self.assertRaisesRegex(UserError, "^task 2/2 is refused: .* work with other classes; start all"):
            self.write_as(Task(2, 2, LEASE), classes=CLASSES[::-1])
        self.assertEqual((tasks / "asked.json").read_bytes(), asked)

    def test_a_task_that_a_plan_of_other_settings_refuses_leaves_nothing_that_refuses_others(self):
        stopped = mock.patch.object(shard_files, "write_missing_shards", side_effect=KeyboardInterrupt)
        with stopped, self.assertRaises(KeyboardInterrupt):
            self.write_as(None)
        with self.assertRaisesRegex(UserError, "made with fps 10.0, not 5.0: choose another --output_dir"):
            self.write_as(Task(1, 2, LEASE), fps=5.0)
        self.write_as(Task(1, 2, LEASE))
        self.assertEqual(contents(self.output).keys(), self.expected.keys())

    def test_a_host_without_the_videos_rejects_none(self):
        stopped = mock.patch.object(shard_files, "write_missing_shards", side_effect=KeyboardInterrupt)
        with stopped, self.assertRaises(KeyboardInterrupt):
            self.write_as(Task(1, 2, LEASE))
        (self.folder / "v4.mp4").rename(self.folder / "elsewhere.mp4")
        with self.assertRaisesRegex(UserError, "v4.mp4 is not there on this host, and was there when"):
            self.write_as(Task(2, 2, LEASE))
        (self.folder / "elsewhere.mp4").rename(self.folder / "v4.mp4")
        self.write_as(Task(1, 2, LEASE))
        self.assert_finished()

    def test_a_run_of_its_own_and_tasks_keep_each_other_out(self):
        write, tried = shard_files.write_missing_shards, []

        def meets(other):
            def meet(*arguments):
                with self.assertRaisesRegex(UserError, "is in use by another run: wait for it"):
                    self.write_as(other)
                tried.append(other)
                return write(*arguments)

            return mock.patch.object(shard_files, "write_missing_shards", meet)

        task = Task(1, 2, LEASE)
        with meets(None), mock.patch("spl_tf.data.building.shards.finish", side_effect=KeyboardInterrupt):
            self.assertRaises(KeyboardInterrupt, self.write_as, task)
        with meets(task):
            self.write_as(None)
        self.assertEqual(tried, [None, task])
        self.assert_finished()

    def test_a_run_of_its_own_goes_on_where_tasks_were_killed(self):
        write, calls = shard_files.write_shard_file, []

        def stop_at_the_third(*arguments):
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return write(*arguments)

        stopped = mock.patch.object(shard_files, "write_shard_file", stop_at_the_third)
        with stopped, self.assertRaises(KeyboardInterrupt):
            self.write_as(Task(1, 2, LEASE))
        self.write_as(None)
        self.assert_finished()

    @pytest.mark.slow
    def test_twenty_kills_of_any_task_end_in_the_same_bytes(self):
        for number in range(9, 60):
            (self.folder / f"v{number}.mp4").write_bytes((self.folder / f"v{number % 9}.mp4").read_bytes())
        self.manifest = self.write_manifest([[f"v{number}.mp4", CLASSES[number % 3]] for number in range(60)])
        options = {"num_shards": 30, "keep_duplicates": True}
        self.write(self.folder / "W", **options)
        # A process without TensorFlow's threads.
        script = (
            "import pathlib, functools\n"
            "import spl_tf.data.building.shard_files\n"
            "from spl_tf.data.building.shards import write_shards\n"
            "from tests.killed_tasks import run_killed\n"
            f"options = {dict(classes=CLASSES, workers=1, **FORMAT, **options)}\n"
            f"work = lambda output, task: write_shards({str(self.manifest)!r}, output, task=task, **options)\n"
            f"run_killed(work, pathlib.Path({str(self.folder)!r}) / 'K', 20, {LEASE})\n"
        )
        run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertIn("20 killed", run.stdout, run.stderr[-2000:])
        made = sorted((self.folder / "K").iterdir())
        for folder in made:
            self.assertEqual(contents(folder), contents(self.folder / "W"))
            self.assertFalse((folder / ".progress").exists())
        print(run.stdout.splitlines()[-1])
