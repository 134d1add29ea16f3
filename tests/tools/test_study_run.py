"""Arms of the study trained for real on coloured videos: rows, shared stages, and what is not done again."""

import dataclasses
import json
import pathlib
import shutil
from unittest import mock

import gin
import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from spl_tf import configuration
from spl_tf.data.dataset import load_dataset
from spl_tf.models.transfer import read_backbone_weights
from tests.colour_recipe import COLOUR_RECIPE
from tests.tiny_network import tiny_network
from tools.study import steps, variants
from tools.study.arms import Arm
from tools.study.results import read_rows
from tools.study.run import Study, run_arms
from tools.study.study import ucf6_study

pytestmark = pytest.mark.slow

ARMS = [
    Arm("main", "none", 0),
    Arm("main", "spl_b", 0),
    Arm("rounds", "spl_b", 0, round=2),
    Arm("query", "weak", 0, query_right=0.5),
    Arm("teacher", "teacher", 0, teacher_share=0.5),
    Arm("noise", "weak", 0, variant="forward_estimated"),
    Arm("clips", "weak", 0, variant="clips50"),
    Arm("clips", "weak", 0, variant="videos50"),
    Arm("frames", "none", 0, variant="inflated"),
]
# The whole web set is 4 videos of 6 clips a class.
HALF = dataclasses.replace(variants.VARIANTS["clips50"], clips_per_class=12)
FRAMES = variants.Variant(("train_stage.num_frames = 1", "tiny_network.temporal_kernel = 1"))
COLORS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def study(color_videos, tiny_bindings, tmp_path_factory):
    """(output folder, results file, bindings) of finished arms; the truth says what the queries say."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copytree(color_videos, folder / "videos")
    truth = [f"web_{color}{number},0,4.8,{color}" for color in COLORS for number in range(4)]
    (folder / "videos" / "web_truth.csv").write_text("\n".join(["video_id,start_s,end_s,action", *truth]) + "\n")
    bindings = (
        *tiny_bindings,
        *COLOUR_RECIPE,
        f"video_folder.folder = '{folder / 'videos'}'",
        "video_folder.target = 'target.csv'",
        "train_stage.epochs = 2",
        "teacher/train_stage.epochs = 2",
        "pretrain/train_stage.epochs = 0.25",
    )
    _run(ARMS, folder, bindings)
    return folder, bindings


def _run(arms, folder, bindings):
    configuration.parse([], bindings)
    try:
        with (
            mock.patch.dict(variants.VARIANTS, clips50=HALF),
            mock.patch.multiple(steps, resnet3d=tiny_network, FRAMES=FRAMES),
        ):
            run_arms(ucf6_study(folder / "out", ARMS), arms, folder / "results.jsonl")
    finally:
        gin.clear_config()
        keras.mixed_precision.set_dtype_policy("float32")


class StudyRunTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, study):
        self.folder, self.bindings = study
        self.rows = read_rows(self.folder / "results.jsonl")

    def _row(self, study):
        return next(row for row in self.rows if row["study"] == study)

    def test_a_row_for_every_arm_with_what_the_test_folder_says(self):
        arms = [Arm(**{name: row[name] for name in vars(ARMS[0])}) for row in self.rows]
        self.assertEqual(arms, ARMS)
        self.assertLen({row["config"] for row in self.rows}, 1)
        for row in self.rows:
            self.assertLen(row["correct"], 12)
            self.assertAllClose(row["top_1"], row["correct"].count("1") / 12)
            self.assertEqual(row["versions"]["keras"], keras.__version__)
            self.assertEqual("linear_probe" in row, row["strategy"] != "none")

    def test_labels_are_counted_against_the_truth(self):
        for row in self.rows:
            if row["strategy"] == "none":
                continue
            table = np.array(row["label_truth"])
            self.assertEqual(table.sum(), 36 if row["study"] == "clips" else 72)
            self.assertEqual(table.shape, (len(row["label_names"]) + 1, 3))
        # The truth was made equal to the queries: SPL-B's classes are pure, a teacher that agrees is right.
        row = self.rows[1]
        self.assertEqual(row["weak_right"], 1.0)
        self.assertAllClose(row["teacher_right"], 1 - row["noise_ratio"])
        table = np.array(row["label_truth"])[:-1]
        self.assertAllEqual(np.count_nonzero(table, axis=1), np.minimum(table.sum(axis=1), 1))

    def test_queries_of_a_known_quality_replace_the_weak_labels_and_nothing_else(self):
        row = self._row("query")
        self.assertEqual(row["weak_right"], 0.5)
        table = np.array(row["label_truth"])
        self.assertEqual(np.diag(table).tolist(), [12, 12, 12])
        folders = (self.folder / "out/seed0/predictions", self.folder / "out/right50/seed0/relabelled")
        for path in folders[0].glob("*.parquet"):
            before, after = pq.read_table(path), pq.read_table(folders[1] / path.name)
            self.assertEqual(before.drop(["weak"]), after.drop(["weak"]))

    def test_a_smaller_teacher_sees_its_share_and_takes_as_many_steps(self):
        part, whole = self.folder / "out/share50/seed0", self.folder / "out/seed0"
        self.assertEqual(load_dataset(part / "target").num_clips, 6)
        steps = [json.loads((seed / "teacher/metrics.json").read_text())["steps"] for seed in (part, whole)]
        self.assertEqual(steps, [6, 6])

    def test_the_second_round_asks_the_student_of_the_first(self):
        predictions = self.folder / "out/seed0/spl_b_round2/predictions/predictions.json"
        student = self.folder / "out/seed0/spl_b/finetune/model.json"
        described = json.loads(student.read_text())["folded_sha256"]
        self.assertEqual(json.loads(predictions.read_text())["made_by"]["model"], described)

    def _kernels(self, folder):
        """Of the stem and the first block, from a stage's weights."""
        weights = read_backbone_weights(self.folder / "out" / folder / "backbone.weights.h5")
        return [weights[f"{name}/kernel"] for name in ("stem_conv", "res2_block1_conv1")]

    def test_a_variant_departs_from_the_recipe_for_its_own_arms_alone(self):
        settings = {
            path.parent.parent.name: path.read_text()
            for path in (self.folder / "out").glob("seed0/*weak/pretrain/operative_config.gin")
        }
        self.assertEqual(
            {name for name, text in settings.items() if "@forward_correction" in text}, {"noise-forward_estimated-weak"}
        )
        (path,) = (self.folder / "out/seed0/noise-forward_estimated-weak/transition/matrix").glob("*.npy")
        matrix = np.load(path)
        self.assertAllClose(matrix.sum(axis=1), np.ones(3))

    def test_half_of_the_clips_come_from_all_videos_or_all_clips_from_half_of_them(self):
        counts = {}
        for name in ("clips12", "best50"):
            dataset = load_dataset(self.folder / "out" / name / "shards/web")
            counts[name] = (dataset.num_videos, dataset.num_clips)
        self.assertEqual(counts, {"clips12": (12, 36), "best50": (6, 36)})
        steps = [
            json.loads((self.folder / "out/seed0" / name / "pretrain/metrics.json").read_text())["steps"]
            for name in ("clips-clips50-weak", "clips-videos50-weak")
        ]
        self.assertEqual(steps, [5, 5])  # Half an epoch of 36 clips in batches of 4, as a quarter of 72.

    def test_a_network_over_frames_is_inflated_and_begun_with(self):
        images, clips = self._kernels("frames/seed0/images"), self._kernels("frames/seed0/clips")
        for image, clip, frames in zip(images, clips, (3, 3), strict=True):
            self.assertEqual((image.shape[0], clip.shape[0]), (1, frames))
            self.assertAllClose(clip, np.repeat(image / frames, frames, axis=0))

    def test_finished_arms_are_not_run_again_even_without_their_files(self):
        with mock.patch.object(Study, "run", side_effect=AssertionError):
            _run(ARMS, self.folder, self.bindings)
        elsewhere = pathlib.Path(self.create_tempdir().full_path)
        shutil.copytree(self.folder / "out" / "shards", elsewhere / "out" / "shards")
        shutil.copy(self.folder / "results.jsonl", elsewhere)
        with mock.patch.object(Study, "run", side_effect=AssertionError):
            _run(ARMS, elsewhere, self.bindings)

    def test_another_configuration_is_another_row(self):
        shutil.copy(self.folder / "results.jsonl", copy := pathlib.Path(self.create_tempdir().full_path))
        shutil.copytree(self.folder / "out" / "shards", copy / "out" / "shards")
        with mock.patch.object(Study, "run", return_value={"top_1": 0.0}):
            _run(ARMS[:1], copy, [*self.bindings, "finetune/train_stage.epochs = 3"])
        rows = read_rows(copy / "results.jsonl")
        self.assertLen(rows, len(ARMS) + 1)
        self.assertNotEqual(rows[-1]["config"], rows[0]["config"])

    def test_stages_that_arms_share_are_trained_once(self):
        trained = sorted(
            str(path.parent.relative_to(self.folder / "out")) for path in self.folder.rglob("finished.json")
        )
        self.assertEqual(
            trained,
            [
                "frames/seed0/images",
                "seed0/clips-clips50-weak/finetune",
                "seed0/clips-clips50-weak/pretrain",
                "seed0/clips-videos50-weak/finetune",
                "seed0/clips-videos50-weak/pretrain",
                "seed0/frames-inflated-none/finetune",
                "seed0/noise-forward_estimated-weak/finetune",
                "seed0/noise-forward_estimated-weak/pretrain",
                "seed0/none/finetune",
                "seed0/query-right50-weak/finetune",
                "seed0/query-right50-weak/pretrain",
                "seed0/spl_b/finetune",
                "seed0/spl_b/pretrain",
                "seed0/spl_b_round2/finetune",
                "seed0/spl_b_round2/pretrain",
                "seed0/teacher",
                "seed0/teacher-share50-teacher/finetune",
                "seed0/teacher-share50-teacher/pretrain",
                "seed0/weak/pretrain",  # Forward correction and the frames ask for it.
                "share50/seed0/teacher",
            ],
        )


if __name__ == "__main__":
    tf.test.main()
