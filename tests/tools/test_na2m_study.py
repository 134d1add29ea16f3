"""NoisyActions2M's study trained for real on coloured videos, through its command; and its report."""

import collections
import contextlib
import csv
import io
import itertools
import json
import pathlib
import shutil
from unittest import mock

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from spl_tf import command
from spl_tf.data.dataset import load_dataset
from spl_tf.experiment.video_lists import VideoLists
from tests.colour_recipe import COLOUR_RECIPE
from tests.conftest import COLORS
from tools.na2m_study import arms, claims, lists, report, run, study
from tools.study.results import read_rows
from tools.study.run import Study

BEST = "ssl_balanced_focal"  # There is no other.
PRETRAININGS = {name: arms.PRETRAININGS[name] for name in ("none", BEST)}
SETTINGS = (
    *COLOUR_RECIPE,
    "train_stage.epochs = 2",
    "pretrain/train_stage.epochs = 0.25",
    "selfsup/train_stage.epochs = 0.25",
    "selfsup/train_stage.objective = @pcl",
    "selfsup/train_stage.frame_stride = 1",
    "pcl.clip_stride = 2",
    "pcl.negatives = 8",
)


@pytest.fixture(scope="module")
def videos(color_videos, tmp_path_factory):
    """The coloured videos with names like UCF101's, true tags, and what the web videos show: their query."""
    folder = tmp_path_factory.mktemp("videos")
    for name, column, first_group in (("target", "label", 8), ("test", "label", 1)):
        rows = [f"path,{column}"]
        for color in COLORS:
            for number in range(4):
                path = f"v_{color}_g{first_group + number:02}_c01.mp4"
                shutil.copy(color_videos / f"{name}_{color}{number}.mp4", folder / path)
                rows.append(f"{path},{color}")
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    (folder / "classes.txt").write_text("\n".join(COLORS) + "\n")
    written = collections.defaultdict(list)
    for color in COLORS:
        for number in range(4):
            name = f"web_{color}{number}"
            shutil.copy(color_videos / f"{name}.mp4", folder)
            written["web.csv"].append(f"{name},{name}.mp4,{color}")
            written["web_tags.csv"].append(f"{name},{color}|funny" if number else f"{name},{color}")
            written["web_truth.csv"].append(f"{name},0,4.8,{color}")
    columns = {
        "web.csv": "video_id,path,query",
        "web_tags.csv": "video_id,tags",
        "web_truth.csv": "video_id,start_s,end_s,action",
    }
    for name, rows in written.items():
        (folder / name).write_text("\n".join([columns[name], *rows]) + "\n")
    return folder


@pytest.fixture(scope="module")
def finished(videos, tiny_bindings, tmp_path_factory):
    """(folder with `out` and results.jsonl, function that runs the command)."""
    folder = tmp_path_factory.mktemp("na2m")
    given = (*tiny_bindings, *SETTINGS, f"video_folder.folder = '{videos}'", "video_folder.target = 'target.csv'")
    arguments = [*(f"--gin_param={binding}" for binding in given), f"--output_dir={folder / 'out'}"]

    def execute():
        with (
            mock.patch.dict(arms.PRETRAININGS, PRETRAININGS, clear=True),
            mock.patch.object(arms, "SEEDS", (0,)),
            mock.patch.object(study, "SEEDS", (0,)),
        ):
            results = f"--results={folder / 'results.jsonl'}"
            code = command.execute(run.main, run.FLAGS, "", ["run", *arguments, results, "--targets=clean,noise40"])
        gin.clear_config()
        keras.mixed_precision.set_dtype_policy("float32")
        return code

    assert execute() == 0
    return folder, execute


@pytest.mark.slow
class Na2mStudyTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, finished, videos):
        self.folder, self.execute = finished
        self.videos = videos
        self.rows = read_rows(self.folder / "results.jsonl")

    def _row(self, pretraining, target="clean"):
        wanted = {"pretraining": pretraining, "target": target}
        (row,) = [row for row in self.rows if wanted.items() <= row.items()]
        return row

    def test_a_row_for_every_pretraining_and_for_the_chosen_one_on_noisy_labels(self):
        keys = [(row["pretraining"], row["target"]) for row in self.rows]
        self.assertCountEqual(keys, itertools.product(PRETRAININGS, ("clean", "noise40")))
        self.assertLen({row["config"] for row in self.rows}, 1)
        self.assertEqual({len(row["correct"]) for row in self.rows}, {12})
        # Six clips of colours that nothing was learned of.
        self.assertIn(round(6 * self._row(BEST)["choice_probe"], 6), range(7))
        self.assertNotIn("choice_probe", self._row(BEST, "noise40"))

    def test_precision_is_measured_against_the_truth_on_networks_that_learned_tags(self):
        # Every tag of a colour is true, and no other video has it.
        self.assertEqual((self._row(BEST)["tags_ap"], self._row(BEST)["tags_video_ap"]), (1.0, 1.0))
        self.assertBetween(self._row(BEST)["web_ap"], 0.0, 1.0)
        self.assertContainsSubset(("linear_probe", "knn", "web_video_ap"), self._row(BEST))
        for row in (self._row("none"), self._row(BEST, "noise40")):
            self.assertNoCommonElements(("linear_probe", "web_ap"), row)
        self.assertEqual(load_dataset(self.folder / "out/shards/web").classes, ("blue", "funny", "green", "red"))

    def test_all_target_sets_begin_with_one_pre_training(self):
        out = self.folder / "out/seed0"
        trained = [str(path.parent.relative_to(out)) for path in out.rglob("finished.json")]
        tuned = [f"{prefix}{name}/finetune" for name in PRETRAININGS for prefix in ("", "noise40-")]
        self.assertCountEqual(trained, [f"{BEST}/selfsup", f"{BEST}/pretrain", *tuned])
        markers = [json.loads((out / f"{prefix}{BEST}/finetune/step.json").read_text()) for prefix in ("", "noise40-")]
        weights = {marker["identity"]["initial weights"] for marker in markers}
        self.assertLen(weights, 1)

    def test_of_every_class_two_of_four_labels_are_wrong_at_40_percent(self):
        with open(self.folder / "out/lists/noise40-seed0/target.csv", newline="") as opened:
            wrong = collections.Counter(
                row["clean_label"] for row in csv.DictReader(opened) if row["label"] != row["clean_label"]
            )
        self.assertEqual(wrong, dict.fromkeys(COLORS, 2))
        self.assertEqual(load_dataset(self.folder / "out/noise40-seed0/shards/target").num_clips, 12)

    def test_corrupted_videos_are_made_once(self):
        given = VideoLists(*(self.videos / name for name in ("classes.txt", "target.csv", "web.csv", "test.csv")), "")
        folder = pathlib.Path(self.create_tempdir().full_path)
        mild = ("--kind=random", "--probability=1e-6", "--least_frames=1", "--workers=1")
        with mock.patch.dict(lists.CORRUPTION, random=mild):
            lists.Lists(folder, given).make("random", 3)
        self.assertIn('"seed": 3', (folder / "random-seed3/corruption.json").read_text())
        with mock.patch.object(lists, "_execute", side_effect=AssertionError):
            lists.Lists(folder, given).make("random", 3)

    def test_finished_rows_are_not_run_again(self):
        with mock.patch.object(Study, "run", side_effect=AssertionError):
            self.assertEqual(self.execute(), 0)

    def test_the_report_has_every_ordering_and_dashes_for_what_is_missing(self):
        printed = io.StringIO()
        arguments = [f"--results={self.folder / 'results.jsonl'}", f"--test={self.videos / 'test.csv'}"]
        with contextlib.redirect_stdout(printed):
            self.assertEqual(command.execute(report.main, report.FLAGS, "", ["report", *arguments]), 0)
        text = printed.getvalue()
        self.assertEqual(text.count("\n| table "), len(claims.CLAIMS))
        (line,) = [line for line in text.splitlines() if line.startswith("| table 4 | ssl_balanced_focal | none |")]
        gain = 100 * (self._row(BEST)["top_1"] - self._row("none")["top_1"])
        self.assertIn(f"| 7.19 | 1 | {gain:+.1f} [", line.replace("*", ""))
        (line,) = [line for line in text.splitlines() if line.startswith("| table 3 | focal | bce |")]
        self.assertIn("| 0.27 | 0 | - | - |", line)

    def test_the_paper_orders_each_pair_of_rows_of_table_3(self):
        ordered = [claim for claim in claims.CLAIMS if claim.source == "table 3"]
        self.assertLen(ordered, 15 + 5)
        self.assertTrue(np.all(np.array([claim.points for claim in claims.CLAIMS]) > 0))


if __name__ == "__main__":
    tf.test.main()
