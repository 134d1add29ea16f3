"""ucf6 is rebuilt from UCF101 files: its lists, and its cuts right to a frame."""

import contextlib
import csv
import fractions
import io
import math
import pathlib
import shutil
from unittest import mock

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command
from tools.ucf6 import encoding, plan, rebuild
from tools.ucf101_hmdb51 import ucf101

# Optional local data: the set itself and the official lists.
_DATA = pathlib.Path(__file__).parents[2].parent / "shared/data"

# File, frames, frames per second. The file's position in this list is painted into its frames.
_FILES = (
    ("v_Archery_g08_c01.avi", 30, 25),
    ("v_HorseRace_g01_c01.avi", 20, 30000 / 1001),
    ("v_Surfing_g12_c01.avi", 60, 30000 / 1001),
    ("v_HorseRace_g13_c02.avi", 50, 25),
)
_SEGMENTS = """video_id,order,source,start_s,length_s,crf
v_HorseRace_g01_c01,0,v_HorseRace_g01_c01.avi,0.000,,
wsu001,1,v_HorseRace_g13_c02.avi,0.120,0.777,24
wsu001,0,v_Surfing_g12_c01.avi,0.511,1.033,24
wsu001,2,v_Surfing_g12_c01.avi,0.000,0.500,24
"""
_UPLOADS = "video_id,query,language,rank\nwsu001,Surfing,fr,2\nv_HorseRace_g01_c01,HorseRace,en,41\n"
_BITS = 8


def _painted(file_number, frame_number):
    """A 320x240 frame with both numbers as bright and dark bars."""
    bits = [(file_number * 64 + frame_number) >> bit & 1 for bit in range(_BITS)]
    row = np.repeat(np.array(bits, np.uint8) * 200 + 25, 320 // _BITS)
    return np.broadcast_to(row[None, :, None], (240, 320, 3)).copy()


def _read_painted(path):
    """(file number, frame number) of every frame of a video, and its frame rate and size."""
    video = cv2.VideoCapture(str(path))
    rate, size, numbers = video.get(cv2.CAP_PROP_FPS), None, []
    while True:
        decoded, frame = video.read()
        if not decoded:
            return numbers, rate, size
        size = frame.shape[:2]
        bars = frame.reshape(size[0], _BITS, size[1] // _BITS, 3)[:, :, 6:-6].mean(axis=(0, 2, 3))
        numbers.append(divmod(int(sum(1 << bit for bit in range(_BITS) if bars[bit] > 125)), 64))


def _expected_cut():
    """wsu001 by the definition, in exact arithmetic: frame k shows what the cut at k/25 s shows."""
    cuts = [(2, "0.511", "1.033"), (3, "0.120", "0.777"), (2, "0.000", "0.500")]
    rates = [25, fractions.Fraction(30000, 1001), fractions.Fraction(30000, 1001), 25]
    shown, begin = [], fractions.Fraction(0)
    for number, start, length in cuts:
        end = begin + fractions.Fraction(length)
        for tick in range(200):
            moment = fractions.Fraction(tick, 25)
            if begin <= moment < end:
                shown.append((number, math.floor((moment - begin + fractions.Fraction(start)) * rates[number])))
        begin = end
    return shown


def _rows(path):
    with open(path, newline="", encoding="utf-8") as opened:
        return list(csv.reader(opened))


class RebuildTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.create_tempdir())
        self.videos, self.splits, self.output = folder / "UCF-101", folder / "splits", folder / "ucf6"
        for number, (name, num_frames, rate) in enumerate(_FILES):
            path = self.videos / name.split("_")[1] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"XVID"), rate, (320, 240))
            for index in range(num_frames):
                writer.write(_painted(number, index))
            writer.release()
        self.splits.mkdir()
        (self.splits / "classInd.txt").write_text("1 Archery\n2 Biking\n3 HorseRace\n4 Surfing\n")
        (self.splits / "trainlist01.txt").write_text(
            "Archery/v_Archery_g08_c01.avi 1\nBiking/v_Biking_g08_c01.avi 2\nSurfing/v_Surfing_g12_c01.avi 4\n"
        )
        (self.splits / "testlist01.txt").write_text("Biking/v_Biking_g01_c01.avi\nHorseRace/v_HorseRace_g01_c01.avi\n")
        (folder / "web_segments.csv").write_text(_SEGMENTS)
        (folder / "uploads.csv").write_text(_UPLOADS)
        self.enter_context(mock.patch.object(plan, "_FOLDER", folder))

    def _rebuild(self, ffmpeg=None):
        """Exit code and what is said about a failure."""
        argv = ["rebuild", f"--ucf101={self.videos}", f"--splits={self.splits}", f"--output_dir={self.output}"]
        said = io.StringIO()
        with mock.patch.object(encoding, "find_ffmpeg", return_value=ffmpeg), contextlib.redirect_stderr(said):
            code = command.execute(rebuild.main, rebuild.FLAGS, rebuild.__doc__, argv)
        return code, said.getvalue().splitlines()[-1]

    @parameterized.parameters("opencv", "ffmpeg")
    def test_videos_hold_the_right_frames(self, encoder):
        ffmpeg = encoding.find_ffmpeg() if encoder == "ffmpeg" else None
        if encoder == "ffmpeg" and ffmpeg is None:
            self.skipTest("no ffmpeg with libx264 on PATH")
        self.assertEqual(self._rebuild(ffmpeg)[0], 0)

        numbers, rate, size = _read_painted(self.output / "web/wsu001.mp4")
        self.assertEqual(numbers, _expected_cut())
        self.assertEqual((rate, size), (25, (120, 160)))

        numbers, rate, size = _read_painted(self.output / "videos/v_HorseRace_g01_c01.mp4")
        self.assertEqual(numbers, [(1, index) for index in range(20)])
        self.assertAlmostEqual(rate, 30000 / 1001, places=3)
        self.assertEqual(size, (120, 160))

    def test_lists_say_what_the_videos_are(self):
        self._rebuild()
        self.assertEqual(_rows(self.output / "target_train.csv")[1:], [["videos/v_Archery_g08_c01.mp4", "Archery"]])
        self.assertEqual(_rows(self.output / "test.csv")[1:], [["videos/v_HorseRace_g01_c01.mp4", "HorseRace"]])
        self.assertEqual(
            _rows(self.output / "web.csv")[1:],
            [
                ["wsu001", "web/wsu001.mp4", "Surfing", "fr", "2", "watch?v=wsu001"],
                [
                    "v_HorseRace_g01_c01",
                    "web/v_HorseRace_g01_c01.mp4",
                    "HorseRace",
                    "en",
                    "41",
                    "watch?v=v_HorseRace_g01_c01",
                ],
            ],
        )
        self.assertEqual(
            _rows(self.output / "web_truth.csv")[1:],
            [
                ["v_HorseRace_g01_c01", "0.0", "0.667", "HorseRace"],
                ["wsu001", "0.0", "1.033", "Surfing"],
                ["wsu001", "1.033", "1.81", "HorseRace"],
                ["wsu001", "1.81", "2.31", "Surfing"],
            ],
        )

    def test_copied_upload_has_the_test_videos_bytes(self):
        self._rebuild()
        name = "v_HorseRace_g01_c01.mp4"
        self.assertEqual((self.output / "web" / name).read_bytes(), (self.output / "videos" / name).read_bytes())

    def test_flat_folder_gives_the_same_set(self):
        self._rebuild()
        nested = {path.name: path.read_bytes() for path in self.output.rglob("*.*")}
        for path in list(self.videos.rglob("*.avi")):
            path.rename(self.videos / path.name)
        shutil.rmtree(self.output)
        self._rebuild()
        self.assertEqual({path.name: path.read_bytes() for path in self.output.rglob("*.*")}, nested)

    def test_second_run_makes_only_what_is_missing(self):
        self._rebuild()
        kept, removed = self.output / "videos/v_Archery_g08_c01.mp4", self.output / "web/wsu001.mp4"
        content = removed.read_bytes()
        removed.unlink()
        kept.write_bytes(b"untouched")
        self.assertEqual(self._rebuild()[0], 0)
        self.assertEqual(kept.read_bytes(), b"untouched")
        self.assertEqual(removed.read_bytes(), content)

    def test_unusable_files_are_named_and_the_rest_is_made(self):
        (self.videos / "Archery/v_Archery_g08_c01.avi").unlink()
        (self.videos / "HorseRace/v_HorseRace_g13_c02.avi").write_bytes(b"no video")
        code, said = self._rebuild()
        self.assertEqual(code, 2)
        self.assertIn("2 files of UCF101", said)
        self.assertIn("v_Archery_g08_c01.avi is missing; v_HorseRace_g13_c02.avi cannot be decoded", said)
        self.assertTrue((self.output / "web/v_HorseRace_g01_c01.mp4").exists())
        self.assertFalse((self.output / "web/wsu001.mp4").exists())
        self.assertFalse((self.output / "web.csv").exists())

    def test_file_shorter_than_its_cut_is_named(self):
        shutil.copy(self.videos / "HorseRace/v_HorseRace_g01_c01.avi", self.videos / "Surfing/v_Surfing_g12_c01.avi")
        code, said = self._rebuild()
        self.assertEqual(code, 2)
        self.assertIn("v_Surfing_g12_c01.avi ends after 0.67 s", said)

    def test_missing_flags_are_named(self):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            code = command.execute(rebuild.main, rebuild.FLAGS, rebuild.__doc__, ["rebuild", "--ucf101=x"])
        self.assertEqual(code, 2)
        self.assertIn("--splits --output_dir missing", said.getvalue())


class PublishedSetTest(tf.test.TestCase):
    """The lists made from the official splits and our cuts are those of the set itself."""

    def setUp(self):
        super().setUp()
        if not (_DATA / "ucf6").exists() or not (_DATA / "ucf101_splits").exists():
            self.skipTest(f"no ucf6 or UCF101 lists in {_DATA}")

    def _published(self, name):
        return [tuple(row) for row in _rows(_DATA / "ucf6" / name)]

    def test_clean_lists(self):
        target, test = plan.clean_videos(ucf101.read_split(_DATA / "ucf101_splits", 1))
        self.assertEqual(plan.manifest_rows(target), self._published("target_train.csv"))
        self.assertEqual(plan.manifest_rows(test), self._published("test.csv"))

    def test_classes(self):
        self.assertEqual("\n".join(plan.CLASSES) + "\n", (_DATA / "ucf6/classes.txt").read_text())

    def test_web_list(self):
        self.assertEqual(plan.web_rows(plan.read_uploads()), self._published("web.csv"))

    def test_truth_to_two_milliseconds(self):
        published = sorted(self._published("web_truth.csv")[1:], key=lambda row: (row[0], float(row[1])))
        copied = {row[0]: float(row[2]) for row in published if row[0].startswith("v_")}
        rows = plan.truth_rows(plan.read_uploads(), copied)[1:]
        self.assertEqual([(row[0], row[3]) for row in rows], [(row[0], row[3]) for row in published])
        self.assertAllClose(
            [row[1:3] for row in rows], [[float(x) for x in row[1:3]] for row in published], atol=2.1e-3
        )

    def test_query_is_right_for_40_percent_of_the_time(self):
        right = total = 0.0
        for upload in plan.read_uploads():
            for segment in upload.segments:
                total += segment.length
                right += segment.length * (segment.source.split("_")[1] == upload.query)
        self.assertNear(right / total, 0.4, 0.01)


if __name__ == "__main__":
    tf.test.main()
