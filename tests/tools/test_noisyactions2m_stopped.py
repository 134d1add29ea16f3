"""Commands that are stopped: every file is whole or absent, and the same command again ends as if undisturbed."""

import contextlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from spl_tf import files
from tests.commands import run_command
from tests.tools import noisyactions2m_table as made
from tools.noisyactions2m import classes, lists, manifest, merge, queries, statistics, subsets, tag_labels
from tools.noisyactions2m.class_matcher import ClassMatcher

_ROOT = pathlib.Path(__file__).parents[2]
_COMMANDS = {
    queries: ("--classes=A={0}/names.txt", "--captions=C={0}/captions.txt", "--output={1}/q.csv"),
    classes: ("--metadata={0}/m.parquet", "--queries={0}/q.csv", "--more_than=0", "--output={1}"),
    merge: ("--classes={0}/c.txt", "--labels={0}/l.txt", "--others={0}/s.txt", "--output={1}"),
    statistics: ("--metadata={0}/m.parquet", "--classes={0}/c.txt", "--labels={0}/l.txt", "--output={1}"),
    subsets: (
        *("--metadata={0}/m.parquet", "--sizes=2,3", "--fields=title", "--classes={0}/c.txt", "--labels={0}/l.txt"),
        "--output={1}",
    ),
    manifest: (
        "--labels={0}/l.txt",
        "--classes={0}/c.txt",
        "--metadata={0}/m.parquet",
        "--videos={0}/v",
        "--output={1}/w.csv",
    ),
    tag_labels: ("--metadata={0}/m.parquet", "--classes={0}/c.txt", "--labels={0}/l.txt", "--output={1}"),
}


@contextlib.contextmanager
def stopped_at_file(number):
    """What is run inside stops when so many files were written, the last of which has not got its name yet."""
    original, begun = files.atomic_path, []

    @contextlib.contextmanager
    def stopping(path):
        begun.append(path)
        last = len(begun) == number
        with original(path) as temporary:
            yield temporary
            if last:
                raise KeyboardInterrupt

    with mock.patch.object(files, "atomic_path", stopping):
        yield


class StoppedTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        rows = [
            made.row(f"flickr/{number}", title=f"running dogs {number}", tags=["dog"], duration=9.0, queries=["dog"])
            for number in range(9)
        ]
        made.write(self.folder / "m.parquet", rows)
        lists.write_classes(self.folder / "c.txt", {1: "dog", 2: "dogs", 3: "run"})
        (self.folder / "l.txt").write_text("".join(f"{number} {1 + number % 3}\n" for number in range(9)))
        (self.folder / "s.txt").write_text("1 1\n2 2\n")
        (self.folder / "names.txt").write_text("Dog\nrunning\n")
        (self.folder / "captions.txt").write_text("a dog runs\n")
        (self.folder / "q.csv").write_text("query,kind,origins\ndog,class,A:Dog\n")
        (self.folder / "v").mkdir()
        (self.folder / "v/3.mp4").write_bytes(b"x")

    def execute(self, module, output):
        return run_command(module, *(argument.format(self.folder, output) for argument in _COMMANDS[module]))[0]

    def content(self, folder):
        """Name -> bytes; what a kill leaves of a file that was being written begins with a full stop."""
        names = [path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
        return {name: (folder / name).read_bytes() for name in names}

    @parameterized.parameters(*_COMMANDS)
    def test_a_file_is_whole_or_absent_and_the_command_again_ends_as_if_undisturbed(self, module):
        (self.folder / "whole").mkdir()
        self.assertEqual(self.execute(module, self.folder / "whole"), 0)
        whole = self.content(self.folder / "whole")
        self.assertNotEmpty(whole)
        for number in range(1, 30):
            output = self.folder / str(number)
            output.mkdir()
            with stopped_at_file(number):
                code = self.execute(module, output)
            if code == 0:
                break
            self.assertEqual(code, 130)
            left = self.content(output)
            self.assertEqual(left, {name: whole[name] for name in left})
            self.assertLess(len(left), len(whole))
            self.assertEqual(self.execute(module, output), 0)
            self.assertEqual(self.content(output), whole)
        self.assertGreaterEqual(number, 3)  # At least two stops.

    def test_a_killed_match_goes_on_with_the_batches_that_are_left(self):
        generator = random.Random(0)
        words = ["dogs", "running", "a", "blue", "sky", "played", "guitars", "by", "the", "sea"]
        rows = [
            made.row(f"flickr/{number:06d}", description=" ".join(generator.choices(words, k=30)))
            for number in range(25_000)
        ]
        made.write(self.folder / "m.parquet", rows, rows_per_group=8192)
        (self.folder / "l.txt").write_text("".join(f"{number:06d} 1\n" for number in range(25_000)))
        output = self.folder / "out"
        arguments = [argument.format(self.folder, output) for argument in _COMMANDS[tag_labels]]
        whole = [sys.executable, "-m", "tools.noisyactions2m.tag_labels", *arguments]
        parts = output / "l.more.parts"
        with subprocess.Popen(whole, cwd=_ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and not list(parts.glob("matched-*.json")):
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
        there = len(list(parts.glob("matched-*.json")))
        self.assertBetween(there, 1, 3)
        with mock.patch.object(ClassMatcher, "in_text", autospec=True, side_effect=ClassMatcher.in_text) as matched:
            self.assertEqual(self.execute(tag_labels, output), 0)
        descriptions = sum(bool(call.args[1]) for call in matched.call_args_list)
        self.assertEqual(descriptions, 25_000 - 8192 * there)
        self.assertFalse(parts.exists())
        expected = self.folder / "expected"
        self.assertEqual(self.execute(tag_labels, expected), 0)
        self.assertEqual(self.content(output), self.content(expected))

    def test_parts_of_other_lists_are_not_taken(self):
        output = self.folder / "out"
        with mock.patch.object(tag_labels, "write", side_effect=lambda *given: list(given[3]) and self.interrupt()):
            self.assertEqual(self.execute(tag_labels, output), 130)
        self.assertLen(list((output / "l.more.parts").glob("matched-*.json")), 1)
        lists.write_classes(self.folder / "c.txt", {1: "dog", 2: "cat", 3: "sing"})
        self.assertEqual(self.execute(tag_labels, output), 0)
        self.assertEqual((output / "l.more.txt").read_text().splitlines()[:3], ["0 1", "1 2|1", "2 3|1"])

    def interrupt(self):
        raise KeyboardInterrupt


if __name__ == "__main__":
    tf.test.main()
