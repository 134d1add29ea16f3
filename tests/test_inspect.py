"""Counts and contact sheets of shards: what the command prints and draws."""

import pathlib
import subprocess
import sys

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import inspect
from spl_tf.labels.assign import assign_labels
from tests.inspect_case import CLASSES, COLORS, NUM_CLIPS, InspectCase, clip_id
from tests.labels.label_folders import without_figures

ROOT = pathlib.Path(__file__).parents[1]


class InspectTest(InspectCase):
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
        self.assertEqual(ids["archery"], {clip_id(row) for row in range(0, 20, 2)})
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

    def test_earlier_sheets_are_replaced_and_other_files_stay(self):
        self.output.mkdir()
        for name in ("sheet-007.png", "sheet.png"):
            (self.output / name).write_text("old")
        self.draw("--clips=1")
        self.assertEqual(
            sorted(path.name for path in self.output.iterdir()), ["clips.csv", "sheet-000.png", "sheet.png"]
        )


if __name__ == "__main__":
    tf.test.main()
