"""Broken and unusual videos through `write_shards`: right clips or a reason, and every row is accounted for."""

import collections
import contextlib
import csv
import io
import os
import pathlib
import struct
import subprocess
import sys
import wave
from unittest import mock

import cv2
import numpy as np
import tensorflow as tf

from spl_tf.data.building import plan, shard_files
from spl_tf.data.building.shards import write_shards
from spl_tf.data.record import clip_from_bytes
from spl_tf.data.verify import verify
from tests.data.video.numbered_case import NumberedCase

ROOT = pathlib.Path(__file__).parents[3]
FORMAT = {"clip_seconds": 0.4, "fps": 25.0, "short_side": 48, "seconds_per_video": 20.0}
SOURCES = (("mp4v", "mp4"), ("mpg2", "mp4"), ("MJPG", "avi"), ("VP80", "webm"), ("mp4v", "mkv"))
NOT_OPENED, NO_FRAME, UNUSABLE = "cannot be opened as a video", "no frame can be decoded", "unusable size"

# A job of a video worker that dies or never ends, as a decoder does on some files.
BAD_DECODER = """
import os, signal, time
from spl_tf.data.building import cutting

def misbehave(path):
    path = os.path.basename(path)
    if "crash" in path:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in path:
        time.sleep(600)

def spool_clips(cut):
    misbehave(cut.video.path)
    return cutting.spool_clips(cut)

def probe(video):
    if "late" not in video.path:
        misbehave(video.path)
    return cutting.probe(video)
"""


def write_sound(path):
    with open(path, "wb") as opened, wave.open(opened) as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))


def patch(path, name, offset, layout, *values):
    """Overwrites numbers at an offset from the first occurrence of a name in the file."""
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, content.index(name) + offset, *values)
    path.write_bytes(content)


def index_first(content):
    """An MP4 file whose index lies before the frames, as web sites serve it."""
    frames, index = content.index(b"mdat") - 4, content.index(b"moov") - 4
    moov = bytearray(content[index:])
    table = moov.index(b"stco")
    (count,) = struct.unpack_from(">I", moov, table + 8)
    for place in range(table + 12, table + 12 + 4 * count, 4):
        struct.pack_into(">I", moov, place, struct.unpack_from(">I", moov, place)[0] + len(moov))
    return content[:frames] + bytes(moov) + content[frames:index]


class DamagedVideosTest(NumberedCase):
    def setUp(self):
        super().setUp()
        self.rows = []

    def add(self, name, content=None, **video):
        """A row of the manifest and its file: the given bytes, or a numbered video."""
        path = self.folder / name
        if content is None:
            self.numbered.write(path, **{"count": 60, **video})
        else:
            path.write_bytes(content)
        self.rows.append(name)
        return path

    def write_manifest(self):
        manifest = self.folder / "m.csv"
        with open(manifest, "w", newline="") as opened:
            csv.writer(opened).writerows([["path", "label"], *([name, "a"] for name in self.rows)])
        return manifest

    def write(self, **changes):
        """Path -> its clips or the reason of its rejection; every row is one or the other."""
        output = self.folder / "D"
        with contextlib.redirect_stderr(io.StringIO()):
            write_shards(self.write_manifest(), output, **{"classes": ("a",), "workers": 2, **FORMAT, **changes})
        return self.outcomes(output)

    def outcomes(self, output):
        report = verify(output)
        self.assertEmpty(report.faults)
        with open(output / "rejected.csv", newline="") as opened:
            rejected = [(row["path"], row["reason"]) for row in csv.DictReader(opened)]
        clips = collections.defaultdict(list)
        for shard in report.dataset.shards:
            for data in tf.data.TFRecordDataset(shard.path).as_numpy_iterator():
                clip = clip_from_bytes(data)
                clips[clip.video_id].append(clip)
        names = {os.path.splitext(name)[0]: name for name in self.rows}
        self.assertLen(names, len(self.rows))
        found = {names.get(video_id, video_id): of_video for video_id, of_video in clips.items()}
        self.assertEqual(report.dataset.num_videos, len(found))
        self.assertCountEqual([*found, *(path for path, _ in rejected)], self.rows)
        self.assertTrue(all(reason for _, reason in rejected))
        return found | dict(rejected)

    def assert_frames(self, clips, numbers):
        self.assertEqual([self.numbered.number(jpeg) for clip in clips for jpeg in clip.frames], list(numbers))

    def test_every_kind_of_broken_or_unusual_file(self):
        self.add("whole.mp4")
        self.add("empty.mp4", b"")
        self.add("text.mp4", b"no video\n" * 300)
        self.add("zeros.mp4", bytes(5000))
        write_sound(self.add("sound.mp4", b""))
        patch(self.add("soundtrack.mp4"), b"vide\0\0\0\0\0", 0, "4s", b"soun")
        for suffix in ("mp4", "avi"):
            self.add(f"no_frames_{suffix}.{suffix}", count=0, fourcc="MJPG" if suffix == "avi" else "mp4v")
        self.add("two_frames.mp4", count=2)
        self.add("odd.avi", fourcc="MJPG", size=(63, 49))
        self.add("grey.mkv", fourcc="FFV1", color=False)
        self.add("b_frames.mkv", fourcc="mpg2")
        turned = (0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
        patch(self.add("turned.mp4", count=10), b"tkhd", 44, ">9i", *turned)
        for side in (0, 60_000):
            avi = self.add(f"sides_{side}.avi", fourcc="MJPG")
            patch(avi, b"avih", 40, "<2I", side, side)
            patch(avi, b"strf", 12, "<2i", side, side)
            patch(self.add(f"track_{side}.mp4"), b"mp4v", 28, ">2H", side, side)
        jpegs = self.add("frames_huge.avi", fourcc="MJPG")
        jpegs.write_bytes(self._with_frame_size(jpegs.read_bytes(), 65_500))
        patch(self.add("count_of_years.avi", fourcc="MJPG"), b"avih", 24, "<I", (1 << 31) - 1)
        patch(self.folder / "count_of_years.avi", b"strh", 40, "<I", (1 << 31) - 1)
        years = self.add("years.mp4")
        for box, offset in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
            patch(years, box, offset, ">I", (1 << 32) - 2)
        patch(years, b"edts", 0, "4s", b"free")  # The edit list would end the video at its old length.
        patch(years, b"stts", 16, ">I", 1 << 30)  # A frame lasts most of a day.
        outcome = self.write()

        for name in ("whole.mp4", "grey.mkv", "b_frames.mkv", "odd.avi", "count_of_years.avi", "years.mp4"):
            with self.subTest(name):
                self.assertLen(outcome[name], 6)
                self.assert_frames(outcome[name], range(60))
                times = [time for clip in outcome[name] for time in clip.timestamps_us]
                self.assertAllClose(times, 40_000 * np.arange(60), atol=1000)
        for name in ("sides_0.avi", "sides_60000.avi", "track_0.mp4", "track_60000.mp4"):
            with self.subTest(name):  # The frames know their size better than the header, where they are asked.
                if isinstance(outcome[name], str):
                    self.assertRegex(outcome[name], f"{UNUSABLE}|{NOT_OPENED}|{NO_FRAME}")
                else:
                    self.assert_frames(outcome[name], range(60))
        self.assertEqual((outcome["odd.avi"][0].height, outcome["odd.avi"][0].width), (48, 62))
        self.assert_frames(outcome["two_frames.mp4"], range(2))
        (clip,) = outcome["turned.mp4"]
        self.assertEqual((clip.height, clip.width), (64, 48))
        upright = cv2.rotate(cv2.imdecode(np.frombuffer(clip.frames[7], np.uint8), 0), cv2.ROTATE_90_COUNTERCLOCKWISE)
        self.assertEqual(self.numbered.number(cv2.imencode(".jpg", upright)[1].tobytes()), 7)
        self.assertEqual(outcome["empty.mp4"], "empty file")
        for name in ("text.mp4", "zeros.mp4", "sound.mp4"):
            self.assertStartsWith(outcome[name], NOT_OPENED, name)
        self.assertEqual(outcome["soundtrack.mp4"], "holds no video (only sound, mov)")
        for name in ("no_frames_mp4.mp4", "no_frames_avi.avi"):
            self.assertRegex(outcome[name], f"{NOT_OPENED}|{NO_FRAME}|holds no video", name)
        self.assertRegex(outcome["frames_huge.avi"], f"{UNUSABLE}|{NOT_OPENED}|{NO_FRAME}")

    def _with_frame_size(self, content, side):
        """A motion JPEG file whose frames say they are `side` pixels high and wide."""
        changed, place = bytearray(content), content.find(b"\xff\xc0\x00\x11\x08")
        while place >= 0:
            struct.pack_into(">2H", changed, place + 5, side, side)
            place = content.find(b"\xff\xc0\x00\x11\x08", place + 1)
        return bytes(changed)

    def test_a_video_cut_off_anywhere_keeps_what_was_before_the_cut(self):
        def whole(name, fourcc, suffix):
            self.numbered.write(self.folder / f"{name}.{suffix}", 60, 25.0, fourcc)
            return (self.folder / f"{name}.{suffix}").read_bytes()

        for fourcc, suffix in SOURCES:
            for cut in range(14):
                name = f"{fourcc}_{suffix}_{cut}"
                content = whole(name, fourcc, suffix)
                if (fourcc, suffix) == ("mp4v", "mp4"):
                    content = index_first(content)
                # Half of the cuts lie in the header or near it.
                at = len(content) * (cut - 6) // 8 if cut > 6 else (4, 20, 40, 100, 300, 700, 1200)[cut]
                self.add(f"{name}.{suffix}", content[: min(at, len(content))])
        outcome = self.write()
        kept = collections.Counter()
        for name, clips in outcome.items():
            source = name.rsplit("_", 1)[0]
            if isinstance(clips, str):
                # Some heads are alike.
                self.assertRegex(clips, f"^({NOT_OPENED}|{NO_FRAME}|holds no video|duplicate) ", name)
                continue
            numbers = [self.numbered.number(jpeg) for clip in clips for jpeg in clip.frames]
            kept[source] = max(kept[source], len(numbers))
            # The frame the cut goes through, and what its decoder guesses of those that build on it.
            self.assertEqual(numbers[:-3], list(range(len(numbers) - 3)), name)
        # An MP4 file with its index at the end is lost with it.
        self.assertCountEqual(kept, ["mp4v_mp4", "MJPG_avi", "VP80_webm", "mp4v_mkv"])
        self.assertGreaterEqual(min(kept.values()), 40)

    def test_random_damage_loses_no_row_and_no_good_video(self):
        generator = np.random.default_rng(20)
        for number in range(66):
            fourcc, suffix = SOURCES[number % len(SOURCES)]
            path = self.add(f"{'good' if number % 11 == 0 else 'bad'}{number}.{suffix}", fourcc=fourcc)
            if number % 11:
                path.write_bytes(self._damaged(path.read_bytes(), generator))
        (self.folder / "classes.txt").write_text("a\n")
        command = [sys.executable, "-m", "spl_tf.shard", f"--output_dir={self.folder}/D", "--seconds_per_video=60"]
        command += [f"--manifest={self.write_manifest()}", f"--classes={self.folder}/classes.txt", "--workers=2"]
        command += [f"--{name}={value}" for name, value in FORMAT.items()]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        outcome = self.outcomes(self.folder / "D")
        for number in range(0, 66, 11):
            name = f"good{number}.{SOURCES[number % len(SOURCES)][1]}"
            self.assert_frames(outcome[name], range(60))
        self.assertGreater(sum(isinstance(found, str) for found in outcome.values()), 5)

    def _damaged(self, content, generator):
        damaged = bytearray(content)
        start = int(generator.integers(len(content)))
        block = slice(start, start + int(generator.choice([4, 100, 1000])))
        match generator.integers(4):
            case 0:
                del damaged[start:]
            case 1:
                for place in generator.integers(len(content), size=generator.choice([1, 10, 100])):
                    damaged[place] ^= 1 << int(generator.integers(8))
            case 2:
                damaged[block] = bytes(len(damaged[block]))
            case 3:
                damaged[start:start] = damaged[block]
        return bytes(damaged)

    def test_a_decoder_that_crashes_or_hangs_costs_its_video_alone(self):
        names = ("good1", "crash", "hang", "late_crash", "late_hang", "good2")
        for name in names:
            self.add(f"{name}.mp4")
        (self.folder / "bad_decoder.py").write_text(BAD_DECODER)
        self.enter_context(mock.patch.object(sys, "path", [str(self.folder), *sys.path]))
        self.enter_context(mock.patch.dict(sys.modules))
        import bad_decoder

        with (
            mock.patch.object(plan, "probe", bad_decoder.probe),
            mock.patch.object(shard_files, "spool_clips", bad_decoder.spool_clips),
        ):
            outcome = self.write(seconds_per_video=3.0)
        for name in ("crash.mp4", "late_crash.mp4"):
            self.assertEqual(outcome[name], "decoder crashed (signal 11)")
        for name in ("hang.mp4", "late_hang.mp4"):
            self.assertEqual(outcome[name], "no end after 3 s")
        for name in ("good1.mp4", "good2.mp4"):
            self.assert_frames(outcome[name], range(60))
