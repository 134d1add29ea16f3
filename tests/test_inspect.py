import contextlib
import csv
import io
import json
import pathlib
import subprocess
import sys
from unittest import mock

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import checksums, command, files, inspect
from spl_tf.data.clip import Clip
from spl_tf.data.record import clip_to_bytes
from spl_tf.labels import sidecar_files
from spl_tf.labels.assign import assign_labels
from tests.labels.label_folders import without_figures

ROOT = pathlib.Path(__file__).parents[1]
CLASSES = ("archery", "скачки", "surfing")
COLORS = ((220, 30, 30), (30, 200, 30), (30, 30, 220))  # RGB
NUM_CLIPS, NUM_SHARDS = 60, 4


class InspectTest(parameterized.TestCase, tf.test.TestCase):
    """60 clips of one colour a class; of 10 clips queried for it, the teacher agrees on 7."""

    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.create_tempdir().full_path)
        self.shards, self.predictions, self.labels, self.output = (root / name for name in "DPLO")
        self.weak = np.arange(NUM_CLIPS) % 3
        self.teacher = np.where(np.arange(NUM_CLIPS) % 10 < 7, self.weak, (self.weak + 1) % 3)
        self.write_shards([[label] for label in self.weak])

    def write_shards(self, labels):
        self.shards.mkdir(exist_ok=True)
        shards = []
        for position, rows in enumerate(np.array_split(np.arange(len(labels)), NUM_SHARDS)):
            name = f"web-{position:05d}-of-{NUM_SHARDS:05d}"
            path = self.shards / f"{name}.tfrecord"
            with tf.io.TFRecordWriter(str(path)) as writer:
                for row in rows:
                    writer.write(clip_to_bytes(_clip(row, labels[row])))
            shards.append({"name": name, "records": len(rows), "start": int(rows[0]), "bytes": path.stat().st_size})
            digest = sidecar_files.ids_digest([_id(row) for row in rows])
            shards[-1] |= {"fingerprint": files.sha256(path), "ids_digest": digest}
        counts = {name: sum(index in own for own in labels) for index, name in enumerate(CLASSES)}
        description = {"format_version": 1, "classes": CLASSES, "clips_per_class": counts, "clip_seconds": 0.8}
        description |= {
            "fps": 5.0,
            "short_side": 24,
            "jpeg_quality": 90,
            "num_clips": len(labels),
            "num_videos": len(labels),
        }
        description |= {"multi_label": any(len(own) > 1 for own in labels), "shards": shards}
        description |= {"rejected": {"no such file": 2, "held out": 1}}
        checksums.complete(self.shards, {}, "dataset.json", json.dumps(description))

    def write_predictions(self, fingerprint=None):
        shards = {}
        for shard in json.loads((self.shards / "dataset.json").read_text())["shards"]:
            rows = slice(shard["start"], shard["start"] + shard["records"])
            sidecar_files.write_predictions(
                self.predictions / f"{shard['name']}.parquet",
                clip_ids=[_id(row) for row in range(NUM_CLIPS)[rows]],
                weak=self.weak[rows],
                teacher=self.teacher[rows],
                confidence=np.linspace(0, 1, NUM_CLIPS)[rows],
                shard_fingerprint=fingerprint or shard["fingerprint"],
            )
            shards[shard["name"]] = shard | {"fingerprint": fingerprint or shard["fingerprint"]}
        index = {"format_version": 1, "classes": CLASSES, "shards": shards}
        checksums.complete(self.predictions, {}, "predictions.json", json.dumps(index))
        return f"--predictions={self.predictions}"

    def run_command(self, *arguments):
        """Exit code, lines of standard output with single spaces, standard error."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            argv = ["inspect", f"--shards={self.shards}", *arguments]
            code = command.execute(inspect.main, inspect.FLAGS, inspect.__doc__, argv)
        return code, [" ".join(line.split()) for line in out.getvalue().splitlines()], err.getvalue()

    def draw(self, *arguments):
        """Draws without verifying: lines of standard output, rows of clips.csv, page (RGB)."""
        code, lines, err = self.run_command("--verify=false", f"--output_dir={self.output}", *arguments)
        self.assertEqual(code, 0, err)
        with open(self.output / "clips.csv", encoding="utf-8", newline="") as opened:
            listed = list(csv.DictReader(opened))
        return lines, listed, cv2.imread(str(self.output / "sheet-000.png"))[..., ::-1]

    def damage(self, row):
        """Flips a bit in the middle of a record of the second shard."""
        path = self.shards / f"web-00001-of-{NUM_SHARDS:05d}.tfrecord"
        content = bytearray(path.read_bytes())
        offset = 0
        for _ in range(row):
            offset += 16 + int.from_bytes(content[offset : offset + 8], "little")
        content[offset + int.from_bytes(content[offset : offset + 8], "little") // 2] ^= 1
        path.write_bytes(content)

    def test_help_needs_no_library_and_leaves_the_standard_inspect_in_place(self):
        code = "import runpy, sys; sys.argv = ['inspect', '--help']\n"
        code += "try: runpy.run_module('spl_tf.inspect', run_name='__main__')\n"
        code += "finally:\n"
        code += "  import inspect; assert 'spl_tf' not in inspect.__file__ and inspect.signature\n"
        code += "  print(sorted({'tensorflow', 'cv2', 'numpy', 'matplotlib'} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        self.assertIn(inspect.__doc__.strip(), done.stdout)
        self.assertIn("--rows=...", done.stdout)
        self.assertEqual(done.stdout.splitlines()[-1], "[]")

    def test_counts_and_verification_are_printed(self):
        code, lines, _ = self.run_command()
        self.assertEqual(code, 0, lines)
        for line in (
            "videos 60",
            "video time 48.0 s (0:00:48)",
            "frames a clip 4, 5 a second",
            "frame size 32 x 24 (100%)",
            "rejected 3 rows, see rejected.csv",
            "no such file: 2",
            "скачки 20 " + "#" * 40,
            f"{self.shards}: 60 clips in 4 shards",
            "no faults",
        ):
            self.assertIn(line, lines)
        self.assertStartsWith(lines[1], "clips 60 in 4 shards, ")
        self.assertFalse(self.output.exists())

    def test_a_row_shows_the_clips_of_its_class(self):
        lines, listed, page = self.draw("--clips=3", "--frames=2")
        self.assertIn(f"9 clips on {self.output}/sheet-000.png, listed in clips.csv", lines)
        self.assertEqual(
            [row["caption"] for row in listed], [f"{name}: 20 clips" for name in CLASSES for _ in range(3)]
        )
        for row in listed:
            self.assertEqual(CLASSES[int(row["clip_id"].split("@")[0][5:]) % 3], row["caption"].split(":")[0])
        # Where each colour is: 3 strips of 2 frames of 112 x 84 pixels, in bands one below the other.
        places = [np.argwhere(np.abs(page.astype(int) - color).max(axis=-1) < 40) for color in COLORS]
        for place in places:
            self.assertAllClose(len(place), 3 * 2 * 112 * 84, rtol=0.02)
        bounds = [(place[:, 0].min(), place[:, 0].max()) for place in places]
        self.assertEqual(bounds, sorted(bounds))
        self.assertLess(bounds[0][1], bounds[1][0])
        self.assertLess(bounds[1][1], bounds[2][0])

    def test_a_seed_draws_the_same_clips_and_another_seed_others(self):
        drawn = [[row["clip_id"] for row in self.draw(f"--seed={seed}", "--frames=1")[1]] for seed in (1, 1, 2)]
        self.assertEqual(drawn[0], drawn[1])
        self.assertNotEqual(drawn[0], drawn[2])
        self.assertLen(set(drawn[0]), 24)

    def test_letters_without_a_font_are_named(self):
        with mock.patch("matplotlib.font_manager.findSystemFonts", return_value=[]):
            description = json.loads((self.shards / "dataset.json").read_text())
            text = json.dumps(description, ensure_ascii=False).replace("surfing", "弓道")
            checksums.complete(self.shards, {}, "dataset.json", text)
            lines, _, _ = self.draw("--clips=1", "--frames=1")
        self.assertIn("no installed font has 弓道: install one, e.g. fonts-noto-cjk", lines)

    def test_rows_of_cells_come_by_falling_count_with_clips_of_the_cell(self):
        lines, listed, _ = self.draw("--per=cell", self.write_predictions(), "--clips=5", "--rows=4")
        counts = {(w, t): np.sum((self.weak == w) & (self.teacher == t)) for w in range(3) for t in range(3)}
        expected = []
        for (weak, teacher), count in sorted(counts.items(), key=lambda item: -item[1])[:4]:
            expected.append(f"{CLASSES[weak]} x {CLASSES[teacher]}: {count} clips ({count / NUM_CLIPS:.1%})")
        self.assertEqual(list(dict.fromkeys(row["caption"] for row in listed)), expected)
        for row in listed:
            index = int(row["clip_id"].split("@")[0][5:])
            self.assertStartsWith(row["caption"], f"{CLASSES[self.weak[index]]} x {CLASSES[self.teacher[index]]}: ")
            self.assertEqual((row["shard"], int(row["record"])), (f"web-{index // 15:05d}-of-00004", index % 15))
        self.assertLen({row["clip_id"] for row in listed}, 20)
        self.assertIn("2 more cells with 12 clips have no row: raise --rows to see them", lines)
        self.assertIn("noise ratio 30.0%; all 6 cells with clips", " ".join(lines))

    @parameterized.parameters("spl_m", "spl_d", "spl_b")
    def test_what_labelling_made_of_every_weak_label(self, strategy):
        predictions = self.write_predictions()
        with without_figures():
            options = {} if strategy == "spl_b" else {"num_labels": 4}
            summary = assign_labels(self.predictions, strategy, self.labels, min_confidence=0.2, **options)
        _, lines, _ = self.run_command(predictions, f"--labels={self.labels}", "--verify=false")
        sure = np.linspace(0, 1, NUM_CLIPS, dtype=np.float32) >= np.float32(0.2)
        off = sure & (self.weak != self.teacher)
        names = summary["class_names"]
        largest = np.zeros_like(off)  # The one cell that is a class beside the diagonal.
        if strategy != "spl_b":
            weak, teacher = (CLASSES.index(name) for name in names[3].split("|"))
            largest = off & (self.weak == weak) & (self.teacher == teacher)
        merged = off & ~largest & (strategy == "spl_m")
        kept = sure & ~(off & ~largest) if strategy == "spl_d" else sure
        self.assertEqual([kept.sum(), merged.sum()], [summary["kept"], summary["merged"]])
        for index, name in enumerate(CLASSES):
            own = self.weak == index
            numbers = (kept & own).sum(), (merged & own).sum(), (~kept & own).sum()
            self.assertIn(f"{name} 20 70.0% {numbers[0]} {numbers[1]} {numbers[2]}", lines)

    def test_a_clip_of_two_classes_is_in_the_draw_of_both(self):
        self.write_shards([[0, 2], [1]] * 10)
        lines, listed, _ = self.draw("--clips=1000", "--frames=1")
        ids = {name: {row["clip_id"] for row in listed if row["caption"].startswith(name)} for name in CLASSES}
        self.assertEqual(ids["archery"], {_id(row) for row in range(0, 20, 2)})
        self.assertEqual(ids["surfing"], ids["archery"])
        self.assertIn("Clips per class, a clip of several classes counts for each", lines)

    def test_of_several_labels_it_tells_the_long_tail_and_what_occurs_together(self):
        labels = [[0, 2]] * 10 + [[1]] * 9 + [[0, 1, 2]]
        self.write_shards(labels)
        _, lines, _ = self.run_command("--verify=false")
        for line in (
            "Labels per video, 20 videos: mean 1.60, median 2, 1 to 3",
            "2 10 " + "#" * 40,
            "largest classes with 50% of the labels 2",
            "classes with clips 3 of 3",
            "clips of the largest, the median, the smallest 11, 11, 10",
            "archery surfing 11 6.0 100%",
            "archery скачки 1 5.5 10%",
        ):
            self.assertIn(line, lines)
        self.assertFalse(self.output.exists())
        lines, listed, _ = self.draw("--clips=2", "--frames=1", "--only=surfing", "--only=скачки")
        self.assertEqual(
            list(dict.fromkeys(row["caption"] for row in listed)), ["surfing: 11 clips", "скачки: 10 clips"]
        )
        for row in listed:
            own = [CLASSES[label] for label in labels[int(row["clip_id"].split("@")[0][5:])]]
            self.assertEqual((row["labels"], row["key"]), ("|".join(own), f"flickr/{row['clip_id'].split('@')[0][5:]}"))
            self.assertIn(row["caption"].split(":")[0], own)
        self.assertIn(f"clips per class: {self.output}/long_tail.png", lines)
        self.assertGreater(cv2.imread(str(self.output / "long_tail.png")).std(), 10)

    def test_of_several_labels_rows_go_from_the_head_to_the_end_of_the_tail(self):
        self.write_shards([[1, 2]] * 9 + [[2]] * 8 + [[0, 1]] * 3)  # Clips: 3, 12, 17.
        _, listed, _ = self.draw("--clips=1", "--frames=1")
        drawn = [row["caption"].split(":")[0] for row in listed]
        self.assertEqual(drawn, [CLASSES[2], CLASSES[1], CLASSES[0]])
        lines, listed, _ = self.draw("--clips=1", "--frames=1", "--rows=2")
        self.assertEqual([row["caption"].split(":")[0] for row in listed], [CLASSES[2], CLASSES[0]])
        self.assertIn("1 more classes with 12 clips have no row: raise --rows to see them", lines)
        self.write_shards([[1, 2]] * 9 + [[2]] * 8)  # A class without clips gets no row before others do.
        _, listed, _ = self.draw("--clips=1", "--frames=1", "--rows=2")
        self.assertEqual([row["caption"].split(":")[0] for row in listed], [CLASSES[2], CLASSES[1]])

    def test_of_one_label_it_tells_neither(self):
        lines, _, _ = self.draw("--clips=1", "--frames=1")
        self.assertNotIn("Labels per video", "\n".join(lines))
        self.assertFalse((self.output / "long_tail.png").exists())

    def test_a_damaged_record_is_set_aside_and_counted(self):
        self.damage(3)
        lines, listed, _ = self.draw("--clips=20", "--frames=1")
        self.assertEqual({row["clip_id"] for row in listed}, {_id(row) for row in range(60) if row != 15 + 3})
        verify = f"python -m spl_tf.shard --verify={self.shards}"
        self.assertIn(f"1 drawn clips can't be read: {verify} names their records", lines)
        code, lines, _ = self.run_command()
        self.assertEqual(code, 1)
        self.assertIn("web-00001-of-00004 record 3 is damaged", "\n".join(lines))
        self.assertRegex(lines[-1], r"^\d+ faults$")

    def test_a_missing_shard_costs_only_its_clips(self):
        predictions = self.write_predictions()
        (self.shards / "web-00002-of-00004.tfrecord").unlink()
        lines, listed, _ = self.draw("--clips=20", "--frames=1", predictions)
        self.assertEqual({row["clip_id"] for row in listed}, {_id(row) for row in range(60) if row // 15 != 2})
        self.assertIn("15 records can't be read", "\n".join(lines))
        self.assertIn("15 drawn clips can't be read", "\n".join(lines))
        self.assertIn("video time about, by 45 clips: 48.0 s (0:00:48)", lines)

    def test_earlier_sheets_are_replaced_and_other_files_stay(self):
        self.output.mkdir()
        for name in ("sheet-007.png", "sheet.png"):
            (self.output / name).write_text("old")
        self.draw("--clips=1")
        self.assertEqual(
            sorted(path.name for path in self.output.iterdir()), ["clips.csv", "sheet-000.png", "sheet.png"]
        )

    @parameterized.parameters(
        (["--shards=nowhere"], "dataset.json does not exist: run spl_tf.shard"),
        (["--per=video"], "per"),
        (["--per=cell"], "predictions are missing (a cell is a weak label and the teacher's prediction)"),
        (["--labels=L"], "predictions are missing (labels are made from them)"),
        (["--predictions=nowhere"], "predictions.json does not exist: run spl_tf.predict first"),
        (["--only=surfin"], "D has no class 'surfin' (is it 'surfing'?)"),
        (["--only=surfing", "--per=cell"], "--only would change nothing: it chooses classes"),
        (["--clips=0"], "clips"),
        (["--frames=17"], "frames"),
    )
    def test_a_mistake_is_one_line_and_exit_code_2(self, arguments, message):
        code, lines, err = self.run_command(*arguments, f"--output_dir={self.output}")
        self.assertEqual((code, lines), (2, []))
        self.assertIn(message, err)
        self.assertEqual(err.count("\n"), 1)
        self.assertFalse(self.output.exists())

    def test_options_of_sheets_without_sheets_are_refused(self):
        code, lines, err = self.run_command("--seed=3", "--rows=2")
        self.assertEqual((code, lines), (2, []))
        self.assertIn("--rows --seed would change nothing: contact sheets are drawn with --output_dir alone", err)

    def test_side_cars_of_other_shards_are_refused(self):
        code, _, err = self.run_command(self.write_predictions(fingerprint="another"))
        self.assertEqual(code, 2)
        self.assertIn(f"{self.shards} has the shard web-00000-of-00004, but {self.predictions} lists another one", err)
        predictions = self.write_predictions()
        with without_figures():
            assign_labels(self.predictions, "weak", self.labels)
        self.write_shards([[label] for label in reversed(self.weak)])
        self.write_predictions()
        code, _, err = self.run_command(predictions, f"--labels={self.labels}")
        self.assertEqual(code, 2)
        self.assertIn("summary.json lists another one of that name (their fingerprints differ)", err)

    def test_ids_that_are_no_classes_are_refused(self):
        self.teacher[20] = 3
        code, _, err = self.run_command(self.write_predictions())
        self.assertEqual(code, 2)
        self.assertIn("web-00001-of-00004.parquet row", err)
        self.assertIn("but predictions.json lists 3 classes", err)


def _id(index):
    return f"video{index}@0"


def _clip(index, labels):
    """Four frames of the first class's colour."""
    picture = np.full((24, 32, 3), COLORS[labels[0]][::-1], np.uint8)
    return Clip(
        clip_id=_id(index),
        video_id=f"video{index}",
        labels=list(labels),
        label_texts=[CLASSES[label] for label in labels],
        start_us=0,
        end_us=800_000,
        frame_rate=5.0,
        height=24,
        width=32,
        frames=[cv2.imencode(".jpg", picture)[1].tobytes()] * 4,
        timestamps_us=[0, 200_000, 400_000, 600_000],
        key=f"flickr/{index}",
    )


if __name__ == "__main__":
    tf.test.main()
