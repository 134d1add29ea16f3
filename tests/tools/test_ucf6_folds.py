"""Leave-groups-out folds of ucf6: nothing of a recording on two sides, counted in the lists and in the frames."""

import contextlib
import csv
import io
import pathlib
import re

import numpy as np
import pytest
from absl.testing import absltest, parameterized

from spl_tf import command
from spl_tf.data.video.writing import write_video
from tools.ucf6 import cutting, fold_plan, folds
from tools.ucf6.footage import read_footage

_DATA = pathlib.Path(__file__).parents[2].parent / "shared/data/ucf6"  # Optional local data.
_GROUPS = range(1, 9)
_CLEAN = range(1, 6)  # Their files are clean videos, those of the others are seen in uploads.
_ACTIONS = ("A", "B")


def _frames(action, group, seconds):
    """160x120, 25 a second, of which the brightness tells the group and the side the action."""
    frames = np.zeros((round(25 * seconds), 120, 160, 3), np.uint8)
    half = slice(0, 80) if action == "A" else slice(80, 160)
    frames[:, :, half] = 20 + 28 * group
    return frames


def _shown(path):
    """(action, group) of every frame of a video."""
    frames, _ = cutting.read_scaled("it", {"it": path})
    sides = frames[:, 20:100, [40, 120]].mean(axis=(1, 3))
    groups = np.rint((sides.max(axis=1) - 20) / 28).astype(int)
    return [(_ACTIONS[side], f"{group:02}") for side, group in zip(sides.argmax(axis=1), groups, strict=True)]


def _recording(path):
    return tuple(re.fullmatch(r"v_(.+)_g(\d+)_c\d+", pathlib.Path(path).stem).groups())


def _read(path):
    with open(path, newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def _make_set(folder):
    """Two files of each clean recording, and uploads that join one of each action, two frames late."""
    (folder / "classes.txt").write_text("A\nB\n")
    lists = {"test.csv": range(1, 4), "target_train.csv": range(4, 6)}
    for name, groups in lists.items():
        rows = [
            f"videos/v_{action}_g{group:02}_c{clip:02}.mp4,{action}"
            for group in groups
            for action in _ACTIONS
            for clip in (1, 2)
        ]
        (folder / name).write_text("\n".join(["path,label", *rows]) + "\n")
        for row in rows:
            path = folder / row.split(",")[0]
            path.parent.mkdir(exist_ok=True)
            write_video(path, _frames(*_recording(path)[:1], int(_recording(path)[1]), 1.6), 25)
    web, segments = ["video_id,path,query,language,rank"], ["video_id,order,source,start_s,length_s,crf"]
    (folder / "web").mkdir()
    for number, group in enumerate(group for group in _GROUPS if group not in _CLEAN):
        parts = [("A", group, 1.5), ("B", 6 + (group - 5) % 3, 2.0)]
        web.append(f"w{number},web/w{number}.mp4,{_ACTIONS[number % 2]},en,{number}")
        segments += [f"w{number},{order},v_{a}_g{g:02}_c01.avi,0.2,{s},24" for order, (a, g, s) in enumerate(parts)]
        late = _frames(parts[0][0], parts[0][1], 0.08)  # The second part begins two frames late.
        write_video(folder / f"web/w{number}.mp4", np.concatenate([_frames(*parts[0]), late, _frames(*parts[1])]), 25)
    web += ["twin,web/w0.mp4,A,fr,9", "v_A_g01_c01,videos/v_A_g01_c01.mp4,B,es,9"]
    segments += [line.replace("w0,", "twin,") for line in segments if line.startswith("w0,")]
    segments.append("v_A_g01_c01,0,v_A_g01_c01.avi,0.0,,")
    (folder / "web.csv").write_text("\n".join(web) + "\n")
    (folder / "web_segments.csv").write_text("\n".join(segments) + "\n")


class FoldsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.data = pathlib.Path(self.create_tempdir().full_path)
        self.output = self.data / "folds"
        _make_set(self.data)

    def _write(self, number=3):
        """Exit code, and what is said."""
        said = io.StringIO()
        argv = ["folds", f"--data={self.data}", f"--folds={number}", f"--output_dir={self.output}"]
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = command.execute(folds.main, folds.FLAGS, folds.__doc__, argv)
        return code, said.getvalue()

    def test_no_recording_is_on_two_sides_in_lists_or_frames(self):
        self.assertFalse(self._write()[0])
        tested, recut = [], 0
        for fold in range(3):
            folder = self.output / f"fold{fold}of3"
            sides = {}
            for name in ("target_train", "test"):
                rows = _read(folder / f"{name}.csv")
                sides[name] = {_recording(row["path"]) for row in rows}
                for row in rows:
                    self.assertEqual(set(_shown(row["path"])), {_recording(row["path"])})
                    self.assertEqual(row["label"], _recording(row["path"])[0])
            tested += [pathlib.Path(row["path"]).stem for row in _read(folder / "test.csv")]
            truth = _read(folder / "web_truth.csv")
            sides["web"] = {_recording(row["source"]) for row in truth}
            uploads = {row["video_id"]: row["path"] for row in _read(folder / "web.csv")}
            self.assertEqual({row["video_id"] for row in truth}, set(uploads))
            for video_id, path in uploads.items():
                shown, changed = _shown(path), self.output in pathlib.Path(path).parents
                recut += changed
                self.assertLessEqual(set(shown), sides["web"])
                for row in truth:
                    if row["video_id"] == video_id and changed:
                        self.assertEqual(row["action"], _recording(row["source"])[0])
                        begin, end = (round(25 * float(row[name])) for name in ("start_s", "end_s"))
                        self.assertEqual(set(shown[begin + 1 : end - 1]), {_recording(row["source"])})
            for one, other in (("target_train", "test"), ("target_train", "web"), ("test", "web")):
                self.assertEmpty(sides[one] & sides[other], (fold, one, other))
        self.assertGreater(recut, 0)
        # Every file once: those of five clean recordings of two actions, and of three that only uploads show.
        self.assertLen(set(tested), 2 * 5 * 2 + 2 * 3)
        self.assertLen(tested, len(set(tested)))

    def test_says_what_is_left_out_and_goes_on_with_what_is_there(self):
        self.assertIn("2 left out (left_out.csv)", self._write()[1])
        left_out = {row["video_id"]: row["reason"] for row in _read(self.output / "fold1of3/left_out.csv")}
        self.assertEqual(left_out, {"twin": "near-duplicate of w0", "v_A_g01_c01": "copy of a clean video"})
        before = {path: path.stat().st_mtime_ns for path in self.output.rglob("*.mp4")}
        next(iter(before)).unlink()
        self.assertFalse(self._write()[0])
        after = {path: path.stat().st_mtime_ns for path in self.output.rglob("*.mp4")}
        self.assertEqual(before.keys(), after.keys())
        self.assertEqual(sum(before[path] != after[path] for path in before), 1)

    @parameterized.parameters(1, 9)
    def test_refuses_folds_that_leave_a_side_empty(self, number):
        code, said = self._write(number)
        self.assertEqual(code, 2)
        self.assertIn(f"--folds={number}", said)

    def test_refuses_an_upload_that_is_not_as_long_as_its_cuts(self):
        write_video(self.data / "web/w1.mp4", _frames("A", 7, 5.0), 25)
        code, said = self._write()
        self.assertEqual(code, 2)
        self.assertIn("w1.mp4", said)

    @pytest.mark.skipif(not _DATA.is_dir(), reason="no local ucf6")
    def test_four_folds_of_ucf6_begin_with_its_own_split_and_leak_nothing(self):
        footage = read_footage(_DATA)
        self.assertLen(footage.sources, 680)
        planned = fold_plan.plan_folds(footage, 4, dict.fromkeys(footage.sources, 4.0))
        stems = {pathlib.Path(row["path"]).stem for row in _read(_DATA / "test.csv")}
        self.assertEqual(set(planned[0].test), stems)
        self.assertEmpty(planned[0].recut)
        for fold in planned:
            web = {_recording(part.source) for upload in fold.uploads for part in upload.parts}
            target, test = ({_recording(source) for source in side} for side in (fold.target, fold.test))
            self.assertEmpty((web & test) | (web & target) | (target & test))
            self.assertLen(fold.uploads, 180)
        self.assertLen({source for fold in planned for source in fold.test}, 680)


if __name__ == "__main__":
    absltest.main()
