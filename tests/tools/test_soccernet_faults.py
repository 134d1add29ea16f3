"""Of a SoccerNet folder what cannot be read is listed and costs no more than itself; wrong options are one line."""

import contextlib
import csv
import io
import json
import os
import pathlib
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command
from spl_tf.data.building.cutting import Probe
from spl_tf.data.workers import Failure
from tools.soccernet import manifest, survey

GOOD, OTHER = "england_epl/2014-2015/a - good", "england_epl/2014-2015/b - other"
GOAL = {"annotations": [{"gameTime": "1 - 02:00", "label": "soccer-ball"}]}
LATER_GOAL = {"annotations": [{"gameTime": "1 - 02:00", "label": "Goal", "position": "120000"}]}


class FaultsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(os.path.realpath(self.create_tempdir().full_path))
        self.root = self.folder / "SoccerNet"
        self.unreadable = set()  # Folders that the system refuses to list, even to root, who runs the tests at times.
        self.bad = set()  # Videos that cannot be opened.
        self.probed = []
        self.game(GOOD)

    def game(self, name, *, videos=("1_224p.mkv", "2_224p.mkv"), **labels):
        folder = self.root / name
        folder.mkdir(parents=True)
        for video in videos:
            (folder / video).touch()
        for file_name, content in (labels or {"Labels": GOAL}).items():
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / f"{file_name.replace('_', '-')}.json").write_text(text)

    def execute(self, *arguments, **options):
        """Runs the command: exit code, stdout, last line of stderr."""
        options = {"games": self.root, "output": self.folder / "test.csv", "classes": self.folder / "classes.txt"} | (
            {"split": "all", "background": 0} | options
        )
        argv = ["manifest", *(f"--{name}={value}" for name, value in options.items() if value is not None), *arguments]
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.object(survey, "run_in_workers", self.probe),
            mock.patch.object(os, "scandir", self.guarded(os.scandir)),
            mock.patch.object(os, "listdir", self.guarded(os.listdir)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = command.execute(manifest.main, manifest.FLAGS, manifest.__doc__, argv)
        return code, out.getvalue(), (err.getvalue().splitlines() or [""])[-1]

    def guarded(self, function):
        def listed(path="."):
            if os.path.normpath(path) in {str(self.root / name) for name in self.unreadable}:
                raise PermissionError(13, "Permission denied", os.fspath(path))
            return function(path)

        return listed

    def probe(self, function, jobs, **_):
        del function
        for job in jobs:
            self.probed.append(os.path.relpath(job.path, self.root))
            bad = os.path.basename(job.path) in self.bad
            yield Failure("cannot be opened as a video") if bad else Probe(0, 1_800_000_000)

    def rows(self, *columns, name="test.csv"):
        with open(self.folder / name, encoding="utf-8", newline="") as opened:
            return [tuple(row[column] for column in columns) for row in csv.DictReader(opened)]

    def problems(self, *columns):
        return self.rows(*columns, "reason", name="test.missing.csv")

    @parameterized.parameters(OTHER, "england_epl/2015-2016", "italy_serie-a")
    def test_a_folder_that_cannot_be_read_is_listed_and_the_others_are_used(self, name):
        self.game(name)
        self.unreadable = {name}
        code, out, _ = self.execute()
        self.assertEqual(code, 0)
        self.assertEqual(self.rows("video_id"), [(f"{GOOD}/1@120.000-Goal",)])
        self.assertEqual(self.problems("game"), [(name, "folder not readable (Permission denied)")])
        self.assertIn("(folder not readable 1): see test.missing.csv", out)
        listed = self.folder / "list.txt"
        listed.write_text(f"{name}\n{GOOD}\n")
        self.assertEqual(self.execute(split=None, games_list=listed)[0], 0)
        self.assertEqual(self.problems("game"), [(name, "folder not readable (Permission denied)")])

    def test_a_folder_in_a_game_that_cannot_be_read_is_listed_once(self):
        (self.root / GOOD / "videos").mkdir()
        self.unreadable = {f"{GOOD}/videos"}
        self.assertEqual(self.execute()[0], 0)
        expected = [(GOOD, "videos", "folder not readable (Permission denied)")]
        self.assertEqual(self.problems("game", "source"), expected)

    def test_folders_at_the_end_of_a_branch_are_listed_when_they_hold_nothing(self):
        for name in (OTHER, f"{GOOD}/features", "italy_serie-a", ".cache/huggingface"):
            (self.root / name).mkdir(parents=True)
        self.assertEqual(self.execute()[0], 0)
        reason = "no annotations (no Labels file)"
        self.assertEqual(self.problems("game"), [(OTHER, reason), ("italy_serie-a", reason)])

    def test_of_a_half_the_next_video_is_taken_where_the_preferred_one_cannot_be_opened(self):
        self.game(OTHER, videos=("1_224p.mkv", "1.mkv", "1_720p.mkv", "2_224p.mkv", "2_720p.mkv"))
        self.bad = {"1.mkv", "1_224p.mkv"}
        code, out, _ = self.execute()
        self.assertEqual(code, 0)
        self.assertEqual(self.rows("path"), [(f"SoccerNet/{OTHER}/1_720p.mkv",)])
        reason = "video not readable (cannot be opened as a video)"
        self.assertCountEqual(
            self.problems("game", "half", "source"),
            [
                (GOOD, "1", "1_224p.mkv", reason),
                (OTHER, "1", "1_224p.mkv", reason),
                (OTHER, "1", "1.mkv", reason),
                (GOOD, "1", "Labels.json annotation 1", "event of a half without video"),
            ],
        )
        self.assertIn("video not readable 3", out)
        self.assertNotIn(f"{OTHER}/2_720p.mkv", self.probed)

    @parameterized.parameters(
        ({"Labels_v2": "{", "Labels": GOAL},),
        ({"Labels_v2": LATER_GOAL, "Labels": "{"},),
        ({"Labels_v2": LATER_GOAL, "Labels": {"annotations": [*GOAL["annotations"], {"label": "y-card"}]}},),
    )
    def test_a_game_with_a_damaged_file_gives_events_and_no_background(self, labels):
        self.game(OTHER, **labels)
        self.assertEqual(self.execute(background=1000)[0], 0)
        games = {(path.split("/")[3], label) for path, label in self.rows("path", "label")}
        self.assertEqual(games, {("a - good", "Background"), ("a - good", "Goal"), ("b - other", "Goal")})

    def test_a_position_that_is_no_time_is_listed_and_its_event_used(self):
        rows = [LATER_GOAL["annotations"][0] | {"position": "abc"}]
        rows.append({"gameTime": "2 - 03:00", "label": "Yellow card", "position": "-5"})
        self.game(OTHER, Labels_v2={"annotations": rows})
        _, out, _ = self.execute()
        self.assertEqual(self.rows("start"), [("115.0",), ("115.0",), ("175.0",)])
        self.assertEqual(
            self.problems("half", "seconds", "source"),
            [
                ("1", "120.0", "Labels-v2.json annotation 1", "damaged position ('abc', gameTime taken)"),
                ("2", "180.0", "Labels-v2.json annotation 2", "damaged position ('-5', gameTime taken)"),
            ],
        )
        self.assertIn("2 entries are amiss (damaged position 2)", out)

    def test_without_any_clip_the_list_says_why_and_an_older_manifest_stays(self):
        self.execute()
        before = (self.folder / "test.csv").read_text()
        self.bad = {"1_224p.mkv", "2_224p.mkv"}
        code, out, err = self.execute()
        self.assertEqual((code, out), (2, ""))
        missing = self.folder / "test.missing.csv"
        self.assertEndsWith(
            err, f"no game gives a clip: see {missing} (games are <league>/<season>/<game> below --games)"
        )
        self.assertLen(self.problems("game"), 3)
        self.assertEqual((self.folder / "test.csv").read_text(), before)

    @parameterized.product(
        option=("clip_seconds", "background_distance"), value=("nan", "inf", "-inf", "1e300", "3601")
    )
    def test_seconds_beyond_reason_are_refused(self, option, value):
        code, _, err = self.execute(background=5, **{option: value})
        self.assertEqual(code, 2)
        self.assertIn(f"--{option}={value}" if value == "nan" else option, err)
        self.assertEmpty(self.probed)

    @parameterized.parameters(
        ("test.csv", "test.csv is a folder: remove it, or choose another --output"),
        ("test.missing.csv", "test.missing.csv is a folder: remove it, or choose another --output"),
    )
    def test_a_folder_in_the_way_is_found_before_a_video_is_opened(self, name, message):
        (self.folder / name).mkdir()
        code, _, err = self.execute()
        self.assertEqual(code, 2)
        self.assertEndsWith(err, f"{self.folder}/{message}")
        self.assertEmpty(self.probed)

    def test_a_place_that_takes_no_file_is_found_before_a_video_is_opened(self):
        (self.folder / "file").touch()
        for output, message in (
            ("/proc/test.csv", "no such file or folder: /proc/test.csv"),
            (self.folder / "file/test.csv", f"a file is in the way of a folder: {self.folder}/file"),
        ):
            code, _, err = self.execute(output=output)
            self.assertEqual((code, err), (2, f"spl_tf: {message}"))
        self.assertEmpty(self.probed)


if __name__ == "__main__":
    tf.test.main()
