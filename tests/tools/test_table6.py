"""Rows of table 6 trained for real on coloured images: what is shared, what is not done again, and the table."""

import collections
import hashlib
import itertools
import json
import pathlib

import cv2
import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from spl_tf import configuration
from spl_tf.data.dataset import load_dataset
from spl_tf.data.survey import read_heads
from spl_tf.training.identity import stage_settings
from tests.commands import assert_mistake, run_command
from tools.study import manifests
from tools.study.results import read_rows
from tools.study.run import run_arms
from tools.table6 import target_sizes
from tools.table6.rows import ROWS, Arm
from tools.table6.study import table6_study
from tools.table6.table import table

# "teacher" has the name of what all rows of a seed share.
ARMS = (Arm("none", 0), Arm("teacher", 0), Arm("forward_estimated", 0))
COLORS = {"red": (40, 40, 200), "green": (40, 200, 40), "blue": (200, 40, 40)}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Lists of 4 images a class; every fourth of the web images has the next class's name."""
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    (folder / "classes.txt").write_text("\n".join(COLORS) + "\n")
    names = list(COLORS)
    for name, column in (("target_train", "label"), ("validation", "label"), ("test", "label"), ("web", "query")):
        rows = [f"path,{column}"]
        for place, (color, value) in enumerate(COLORS.items()):
            for number in range(4):
                path = f"{name}_{color}{number}.png"
                noisy = np.clip(np.array(value) + generator.normal(0, 20, (32, 32, 3)), 0, 255)
                cv2.imwrite(str(folder / path), noisy.astype(np.uint8))
                wrong = name == "web" and number == 3
                rows.append(f"{path},{names[(place + wrong) % 3]}")
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    truths = [f"web_{color}{number},{color}" for color in COLORS for number in range(4)]
    (folder / "web_truth.csv").write_text("\n".join(["path,label", *truths]) + "\n")
    return folder


@pytest.fixture(scope="module")
def finished(images, tiny_bindings, tmp_path_factory):
    """(output folder, results file, function that runs arms) with three rows run."""
    folder = tmp_path_factory.mktemp("table6")
    bindings = (
        *tiny_bindings,
        "train_stage.num_frames = 1",
        "recipe.videos = @video_folder",
        f"video_folder.folder = '{images}'",
        "recipe.fps = 1",
        "recipe.short_side = 32",
        "recipe.web_clip_seconds = 0",
        "train_stage.precision = 'float32'",
        "predict_clips.precision = 'float32'",
        "train_stage.epochs = 3",
    )

    def run(*arms, variant=""):
        configuration.parse([], bindings)
        try:
            run_arms(table6_study(folder / "o", num_seeds=1, variant=variant), arms, folder / "results.jsonl")
        finally:
            gin.clear_config()
            keras.mixed_precision.set_dtype_policy("float32")

    run(*ARMS)
    return folder / "o", folder / "results.jsonl", run


@pytest.mark.slow
class Table6RunTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, finished):
        self.folder, self.results, self.run_arms = finished

    def _rows(self):
        return [row for row in read_rows(self.results) if not row["variant"]]

    def test_a_finished_row_is_not_run_again(self):
        before = self.results.read_text()
        self.run_arms(*ARMS)
        self.assertEqual(self.results.read_text(), before)
        self.assertEqual([row["row"] for row in self._rows()], [arm.row for arm in ARMS])

    def test_a_variant_adds_lines_of_its_own_and_trains_on_its_own_clean_images(self):
        swapped = Arm("none", 0, "swapped"), Arm("teacher", 0, "swapped")
        self.run_arms(*swapped, variant="swapped")
        after = self.results.read_text()
        self.run_arms(*swapped, variant="swapped")
        self.run_arms(*ARMS)
        self.assertEqual(self.results.read_text(), after)
        found = {row["row"]: row for row in read_rows(self.results) if row["variant"] == "swapped"}
        self.assertEqual(set(found), {"none", "teacher"})
        self.assertNotEqual(found["none"]["config"], self._rows()[0]["config"])
        images = [
            {head.video_id for head in read_heads(load_dataset(self.folder / place / "shards" / name))}
            for place, name in (("swapped", "target"), ("swapped", "validation"), ("", "target"))
        ]
        self.assertEqual(images[0], {f"validation_{color}{number}" for color in COLORS for number in range(4)})
        self.assertEqual(images[1], images[2])
        teacher = json.loads((self.folder / "swapped/seed0/teacher/run.json").read_text())
        plain = json.loads((self.folder / "seed0/teacher/run.json").read_text())
        self.assertNotEqual(teacher, plain)

    def test_a_line_holds_which_test_images_were_right(self):
        for row in read_rows(self.results):
            self.assertLen(row["correct"], 12)
            self.assertAllClose(row["top_1"], row["correct"].count("1") / 12)

    def test_a_line_tells_what_the_labels_show_where_somebody_looked(self):
        none, teacher, forward = self._rows()
        self.assertNotIn("label_truth", none)
        # Every fourth image of a class has the next one's name.
        self.assertAllEqual(forward["label_truth"], [[3, 0, 1], [1, 3, 0], [0, 1, 3], [0, 0, 0]])
        self.assertEqual((forward["weak_right"], teacher["weak_right"]), (0.75, 0.75))
        self.assertAllEqual(np.sum(teacher["label_truth"], axis=0), [4, 4, 4])
        self.assertAllClose(teacher["teacher_right"], np.trace(teacher["label_truth"][:3]) / 12)

    def test_forward_is_trained_with_a_matrix_estimated_from_the_row_weak(self):
        (path,) = (self.folder / "seed0/forward_estimated/transition/matrix").glob("*.npy")
        identity = json.loads((path.parent / "step.json").read_text())["identity"]
        network = self.folder / "seed0/weak/pretrain/folded.keras"
        self.assertEqual(identity["model"], hashlib.sha256(network.read_bytes()).hexdigest())
        self.assertAllClose(np.load(path).sum(axis=1), np.ones(3))
        run = json.loads((self.folder / "seed0/forward_estimated/pretrain/run.json").read_text())
        self.assertEqual(pathlib.Path(run["forward_correction.transition"].strip("'")), path)
        weak = json.loads((self.folder / "seed0/weak/pretrain/run.json").read_text())
        self.assertNotIn("forward_correction.transition", weak)


def _row(row, seed, correct, **columns):
    return {"row": row, "seed": seed, "config": "c", "correct": correct, "top_1": correct.count("1") / 4} | columns


_OF_CLEANING = ("cleannet.steps = 7", "hard_weights.threshold = 0.2", "clip_features.num_views = 1")


class RowsTest(tf.test.TestCase):
    def test_no_row_says_anything_to_teacher_or_fine_tuning(self):
        configuration.parse(["clothing_small.gin"])
        usual = {stage: stage_settings(stage) for stage in ("teacher", "finetune")}
        for row in ROWS.values():
            with configuration.overridden([*row.bindings, *_OF_CLEANING]):
                self.assertEqual({stage: stage_settings(stage) for stage in usual}, usual)


class TargetSizesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        for name, count in (("target_train", 8), ("validation", 4)):
            rows = [f"{name}_{label}{number}.png,{label}" for label in COLORS for number in range(count)]
            (self.folder / f"{name}.csv").write_text("\n".join(["path,label", *rows]) + "\n")

    def test_smaller_sets_are_parts_of_larger_ones_and_hold_as_many_of_every_class(self):
        code, out, _ = run_command(target_sizes, f"--data={self.folder}", "--sizes=6,12,24,30,36")
        self.assertEqual(code, 0)
        self.assertEqual(out.count("\n"), 5)
        sizes = [manifests.read(self.folder / f"target_{size}.csv") for size in (6, 12, 24, 30, 36)]
        self.assertEqual([len(rows) for rows in sizes], [6, 12, 24, 30, 36])
        for smaller, larger in itertools.pairwise(sizes):
            self.assertLess(set(smaller), set(larger))
        for rows in sizes:
            self.assertEqual(set(collections.Counter(row.label for row in rows).values()), {len(rows) // 3})
        self.assertEqual(sizes[2], manifests.read(self.folder / "target_train.csv"))

    def test_a_size_that_there_is_not_is_refused(self):
        for size in ("0", "37", "many"):
            assert_mistake(run_command(target_sizes, f"--data={self.folder}", f"--sizes={size}"), "from 1 to 36")


class TableTest(tf.test.TestCase):
    def test_means_deviations_and_differences_over_the_seeds_that_both_have(self):
        lines = table(
            [
                _row("none", 0, "1100", classes=0, clips=0),
                _row("weak", 0, "1110", classes=3, clips=1200, linear_probe=0.5, knn=0.25),
                _row("weak", 1, "1111", classes=3, clips=1200, linear_probe=0.7, knn=0.25),
            ]
        ).splitlines()
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        none, weak = cells[2:]
        self.assertEqual(none[:5], ["none", "1", "0", "0", "50.0"])
        self.assertEqual(none[6:], ["-", "-", "-"])
        self.assertStartsWith(none[5], "-25.0 [")
        self.assertEqual(weak[:6], ["weak", "2", "3", "1,200", "87.5 ± 17.7", "-"])
        self.assertStartsWith(weak[6], "+25.0 [+0.0, ")
        self.assertEqual(weak[7:], ["60.0 %", "25.0 %"])


if __name__ == "__main__":
    tf.test.main()
