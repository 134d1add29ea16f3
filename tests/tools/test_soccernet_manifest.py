"""SoccerNet's folders, annotations and lists become a manifest of clips that spl_tf.shard reads."""

import contextlib
import io
import json
import os
import pathlib
import shutil
import sys
import types
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command
from spl_tf.data.building.cutting import Probe
from spl_tf.data.manifest import Video, read_manifest
from spl_tf.data.workers import Failure
from spl_tf.labels.classes import read_classes
from tests.written import csv_rows
from tools.soccernet import annotations, games, manifest, survey

CHELSEA = "england_epl/2014-2015/2015-02-21 - 18-00 Chelsea 1 - 1 Burnley"
PARIS = "france_ligue-1/2016-2017/2017-01-07 - 22-45 Paris SG 7 - 0 Bastia"


def v1(*events):
    """(time, label) pairs as in Labels.json."""
    return {"UrlLocal": "x", "annotations": [{"gameTime": t, "label": label, "team": "home"} for t, label in events]}


def v2(*events):
    """(time, label, position) triples as in Labels-v2.json."""
    rows = [{"gameTime": t, "label": label, "position": p, "visibility": "visible"} for t, label, p in events]
    return {"UrlLocal": "x", "annotations": rows}


class SoccerNetTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.root = self.folder / "SoccerNet"
        self.root.mkdir()
        self.lengths = {}  # Seconds of a video by its file name; half an hour else.

    def game(self, name=CHELSEA, *, videos=("1_224p.mkv", "2_224p.mkv"), **labels):
        """Writes a game; v1 and v2 are the contents of its annotations."""
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        for video in videos:
            (folder / video).write_text("video")
        for version, content in labels.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / annotations.FILES[version]).write_text(text, encoding="utf-8")

    def probe(self, function, jobs, **_):
        del function
        for job in jobs:
            length = self.lengths.get(os.path.basename(job.path), 1800)
            yield length if isinstance(length, Failure) else Probe(0, round(length * 1e6))

    def execute(self, *arguments, split="all", background=0, **paths):
        """Runs the command: exit code, stdout, last line of stderr."""
        paths = {"games": "SoccerNet", "output": "test.csv", "classes": "classes.txt"} | paths
        argv = [f"--{name}={self.folder / path}" for name, path in paths.items()]
        argv += [f"--split={split}"] if split else []
        argv += [] if background is None else [f"--background={background}"]
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.object(survey, "run_in_workers", self.probe),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = command.execute(manifest.main, manifest.FLAGS, manifest.__doc__, ["manifest", *argv, *arguments])
        return code, out.getvalue(), (err.getvalue().splitlines() or [""])[-1]

    def rows(self, *columns):
        return [tuple(row[column] for column in columns) for row in csv_rows(self.folder / "test.csv")]

    def reasons(self, *columns):
        return [tuple(row[name] for name in (*columns, "reason")) for row in csv_rows(self.folder / "test.missing.csv")]

    def test_an_event_is_the_middle_of_a_clip(self):
        self.game(v2=v2(("1 - 02:03", "Goal", "123456"), ("2 - 10:00", "Yellow card", "600000")))
        code, out, _ = self.execute()
        self.assertEqual(code, 0)
        place = f"SoccerNet/{CHELSEA}"
        self.assertEqual(
            self.rows(*manifest.COLUMNS),
            [
                (f"{CHELSEA}/1@123.456-Goal", f"{place}/1_224p.mkv", "Goal", "118.456", "128.456", "Goal"),
                (f"{CHELSEA}/2@600.000-Card", f"{place}/2_224p.mkv", "Card", "595.0", "605.0", "Yellow card"),
            ],
        )
        self.assertEmpty(self.reasons())
        self.assertIn("2 clips of 1 games (Background 0, Card 1, Goal 1, Substitution 0)", out)

    def test_the_manifest_is_one_for_spl_tf_shard(self):
        self.game(v1=v1(("1 - 02:00", "soccer-ball"), ("1 - 20:00", "y-card"), ("2 - 05:00", "substitution-in")))
        self.execute(background=2)
        classes = read_classes(self.folder / "classes.txt")
        self.assertEqual(classes, ("Background", "Card", "Goal", "Substitution"))
        videos = read_manifest(self.folder / "test.csv", classes, "label")
        self.assertTrue(all(isinstance(video, Video) and video.id_is_given for video in videos), videos)
        self.assertLen({video.video_id for video in videos}, 5)
        self.assertCountEqual([video.labels for video in videos], [(0,), (0,), (1,), (2,), (3,)])

    def test_stoppage_time_goes_on_counting(self):
        self.game(v1=v1(("1 - 47:30", "soccer-ball"), ("2 - 103:05", "r-card")))
        self.lengths = {"1_224p.mkv": 3000, "2_224p.mkv": 6500}
        self.execute()
        self.assertEqual(self.rows("start", "end"), [("2845.0", "2855.0"), ("6180.0", "6190.0")])

    def test_a_clip_at_an_end_of_the_video_is_moved_inside(self):
        self.lengths = {"1_224p.mkv": 100, "2_224p.mkv": 7.5}
        self.game(v1=v1(("1 - 00:02", "r-card"), ("1 - 01:40", "soccer-ball"), ("2 - 00:05", "y-card")))
        self.execute()
        self.assertEqual(self.rows("start", "end"), [("0.0", "10.0"), ("90.0", "100.0"), ("0.0", "7.5")])

    def test_events_behind_the_videos_end_are_listed(self):
        self.lengths = {"1_224p.mkv": 100}
        self.game(v1=v1(("1 - 01:41", "soccer-ball"), ("1 - 01:42", "soccer-ball"), ("1 - 45:02", "y-card")))
        self.game(PARIS, videos=("1.mkv", "2.mkv"), v1=v1(("1 - 02:00", "soccer-ball")))
        _, out, _ = self.execute()
        reason = "event outside of the video (which ends at 100.000 s)"
        self.assertEqual(
            self.reasons("game", "half", "seconds", "label", "source"),
            [
                (CHELSEA, "1", "102.0", "soccer-ball", "Labels.json annotation 2", reason),
                (CHELSEA, "1", "2702.0", "y-card", "Labels.json annotation 3", reason),
            ],
        )
        # Times are whole seconds: an event at the end may be written a second behind it.
        self.assertIn(("90.0", "100.0"), self.rows("start", "end"))
        self.assertIn("2 entries are amiss (event outside of the video 2): see test.missing.csv", out)

    @parameterized.parameters(
        ("224p", ("1_720p.mkv", "1.mkv", "1_224p.mkv"), "1_224p.mkv"),
        ("224p", ("1_720p.mkv", "1.mkv"), "1.mkv"),
        ("224p", ("1_720p.mp4", "1_HQ.mkv"), "1_720p.mp4"),
        ("720p", ("1_720p.mkv", "1_224p.mkv"), "1_720p.mkv"),
        ("720p", ("1_224p.webm", "1.mkv"), "1_224p.webm"),
    )
    def test_of_several_videos_the_preferred_one_is_taken(self, resolution, videos, expected):
        self.game(videos=videos, v1=v1(("1 - 02:00", "soccer-ball")))
        self.execute(f"--resolution={resolution}")
        self.assertEqual(self.rows("path"), [(f"SoccerNet/{CHELSEA}/{expected}",)])

    def test_halves_without_video_are_listed_with_their_events(self):
        self.game(videos=("2_HQ.mkv", "video.ini"), v1=v1(("1 - 02:00", "soccer-ball"), ("2 - 02:00", "y-card")))
        self.lengths = {"1_224p.mkv": Failure("cannot be opened as a video")}
        self.game(PARIS, videos=("1_224p.mkv",), v1=v1(("1 - 02:00", "r-card")))
        self.assertEqual(self.execute(background=None)[0], 2)
        self.assertCountEqual(
            self.reasons("game", "half", "label"),
            [
                (CHELSEA, "1", "", "no video"),
                (CHELSEA, "2", "", "no video (2_HQ.mkv is not trimmed)"),
                (CHELSEA, "1", "soccer-ball", "event of a half without video"),
                (CHELSEA, "2", "y-card", "event of a half without video"),
                (PARIS, "1", "", "video not readable (cannot be opened as a video)"),
                (PARIS, "2", "", "no video"),
                (PARIS, "1", "r-card", "event of a half without video"),
            ],
        )
        self.assertFalse((self.folder / "test.csv").exists())

    def test_damage_is_listed_and_counted_and_stops_nothing(self):
        self.game(v2="{", v1=v1(("1 - 02:00", "soccer-ball"), ("1 - xx", "y-card"), ("1 - 05:00", "rain")))
        self.game(PARIS, v2="[]")
        code, out, _ = self.execute(background=None)
        self.assertEqual(code, 0)
        self.assertEqual(self.rows("label", "start"), [("Goal", "115.0")])
        self.assertIn("4 entries are amiss (damaged annotations 2, damaged annotation 1, unknown label 1)", out)
        self.assertIn(
            (PARIS, "Labels-v2.json", "damaged annotations (no list 'annotations')"), self.reasons("game", "source")
        )

    def test_a_game_with_an_annotation_without_time_has_no_background(self):
        self.game(v1=v1(("1 - 02:00", "soccer-ball"), ("1 - xx", "y-card")))
        self.game(PARIS, v1=v1(("1 - 02:00", "soccer-ball")))
        self.execute(background=1000)
        self.assertEqual({half.rpartition("/")[0] for half, _, _ in self.spans()}, {f"SoccerNet/{PARIS}"})

    def spans(self, label="Background"):
        """(half, start, end) of the clips of a class."""
        rows = self.rows("path", "label", "start", "end")
        return [(path[:-9], float(start), float(end)) for path, name, start, end in rows if name == label]

    def test_background_is_as_many_as_another_class_on_average_and_spread_over_the_halves(self):
        for name in (CHELSEA, PARIS):
            self.game(name, v1=v1(*((f"{half} - {m}:00", "y-card") for half in (1, 2) for m in (10, 15, 20))))
        _, out, _ = self.execute(background=None)
        self.assertIn("16 clips of 2 games (Background 4, Card 12, Goal 0, Substitution 0)", out)
        self.assertLen({half for half, _, _ in self.spans()}, 4)
        _, out, _ = self.execute(background=10_000)
        self.assertIn("there is room for no more Background than that, wanted were 10,000", out)

    def test_background_depends_on_the_seed_and_not_on_the_order_or_place_of_the_games(self):
        for name in (CHELSEA, PARIS):
            self.game(name, v1=v1(("1 - 02:00", "soccer-ball")))
        (self.folder / "list.txt").write_text(f"{PARIS}\n{CHELSEA}\n")
        self.execute(background=7)
        first = self.rows("video_id", "start")
        self.execute(background=7, split=None, games_list="list.txt")
        self.assertEqual(self.rows("video_id", "start"), first)
        self.execute("--seed=1", background=7)
        self.assertNotEqual(self.rows("video_id", "start"), first)
        shutil.move(self.root, self.folder / "elsewhere")
        self.execute(background=7, games="elsewhere")
        self.assertEqual(self.rows("video_id", "start"), first)

    def test_a_list_names_the_games(self):
        self.game(v1=v1(("1 - 02:00", "soccer-ball")))
        self.game(PARIS, v1=v1(("1 - 03:00", "soccer-ball")))
        windows = PARIS.replace("/", "\\")
        (self.folder / "list.txt").write_text(f"{windows}\r\n\r\nnone/2014-2015/x\r\n../x\r\n/etc\r\n{PARIS}\r\n")
        self.assertEqual(self.execute(split=None, games_list="list.txt")[0], 0)
        self.assertEqual(self.rows("start"), [("175.0",)])
        self.assertCountEqual(
            self.reasons("game"),
            [
                ("../x", "game outside of the folder"),
                ("/etc", "game outside of the folder"),
                (PARIS, "repeated game (see line 1)"),
                ("none/2014-2015/x", "game not in the folder"),
            ],
        )

    def test_official_splits_are_those_of_the_package(self):
        for name in (CHELSEA, PARIS):
            self.game(name, v1=v1(("1 - 02:00", "soccer-ball")))
        utils = types.ModuleType("SoccerNet.utils")
        utils.getListGames = {"train": ["absent/x", CHELSEA], "valid": [PARIS]}.get
        package = {"SoccerNet": types.ModuleType("SoccerNet"), "SoccerNet.utils": utils}
        for split, expected in (("train", CHELSEA), ("valid", PARIS)):
            with mock.patch.dict(sys.modules, package):
                self.execute(split=split)
            self.assertEqual(self.rows("video_id"), [(f"{expected}/1@120.000-Goal",)])

    def test_the_installed_package_has_300_100_and_100_games(self):
        try:
            split = {name: games.in_split(name) for name in ("train", "valid", "test")}
        except games.UserError:
            self.skipTest("the SoccerNet package is not installed")
        self.assertEqual({name: len(found) for name, found in split.items()}, {"train": 300, "valid": 100, "test": 100})
        self.assertLen(set().union(*split.values()), 500)

    def test_without_the_package_a_split_says_what_to_do(self):
        self.game(v1=v1(("1 - 02:00", "soccer-ball")))
        with mock.patch.dict(sys.modules, {"SoccerNet": None, "SoccerNet.utils": None}):
            code, _, err = self.execute(split="train")
        self.assertEqual(code, 2)
        self.assertIn("pip install SoccerNet, or give --games_list", err)

    def test_a_folder_name_that_is_not_utf8_is_set_aside(self):
        self.game(v1=v1(("1 - 02:00", "soccer-ball")))
        os.rename(self.root / CHELSEA, os.fsencode(self.root / CHELSEA) + b"\xff")
        self.game(PARIS, v1=v1(("1 - 02:00", "soccer-ball")))
        self.assertEqual(self.execute()[0], 0)
        self.assertEqual([row[-1] for row in self.reasons("game")], ["unusable file name"])

    def test_paths_hold_through_linked_folders(self):
        self.game(v1=v1(("1 - 02:00", "soccer-ball")))
        (self.folder / "deep/er").mkdir(parents=True)
        (self.folder / "link").symlink_to(self.folder / "deep/er")
        self.execute(output="link/test.csv")
        listed = csv_rows(self.folder / "link/test.csv")[0]["path"]
        self.assertTrue((self.folder / "link" / listed).is_file())

    @parameterized.parameters(
        ({"games": "nowhere"}, "all", "nowhere is no folder: check --games"),
        ({"games": "empty"}, "all", "no game gives a clip: see .*test.missing.csv .games are <league>/<season>/<game>"),
        ({"games": f"SoccerNet/{CHELSEA}"}, "all", "Burnley is itself a game: give the folder of leagues"),
        ({}, None, "give either --split or --games_list"),
        ({"games_list": "list.txt"}, "all", "give either --split or --games_list"),
        ({"games_list": "nowhere.txt"}, None, "nowhere.txt is no file: check --games_list"),
        ({"games_list": "empty.txt"}, None, "empty.txt names no game"),
        ({"games_list": "latin.txt"}, None, "latin.txt is not UTF-8 text"),
        ({"games_list": "list.txt"}, None, "no game gives a clip: see .*test.missing.csv"),
        ({"classes": "few.txt"}, "all", "few.txt has no class 'Background'"),
        ({"output": "test.jsonl"}, "all", "does not end in .csv"),
        ({"classes": "test.csv"}, "all", "test.csv would be read and written over"),
    )
    def test_a_mistake_is_one_line(self, paths, split, message):
        self.game(v1=v1(("1 - 02:00", "soccer-ball")))
        (self.folder / "empty").mkdir()
        for name, content in (("list", b"a/b/c\n"), ("empty", b"\n"), ("latin", b"\xe9"), ("few", b"Goal\nCard\n")):
            (self.folder / f"{name}.txt").write_bytes(content)
        code, _, err = self.execute(split=split, **paths)
        self.assertEqual(code, 2)
        self.assertRegex(err, message)
        self.assertFalse((self.folder / "test.csv").exists())


if __name__ == "__main__":
    tf.test.main()
