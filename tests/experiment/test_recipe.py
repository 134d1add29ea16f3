"""The whole method, trained for real on coloured videos: stopped, gone on with and extended by a strategy."""

import csv
import dataclasses
import json
import pathlib

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from spl_tf.data.dataset import load_dataset
from spl_tf.experiment.table import Result
from tests.interrupted import stopped_at_checkpoint
from tests.written import stored_weights


@dataclasses.dataclass(frozen=True)
class _Runs:
    """A recipe run three times in one folder, which no test may change.

    Attributes:
      folder: of the recipe.
      stopped: states of the files when the first run was stopped.
      two: states after the second run, with strategies none and weak.
      three: states after the third run, with spl_b as well.
      results_of_two: what the second run returned.
      results: what the third run returned.
      printed: what the third run printed.
    """

    folder: pathlib.Path
    stopped: dict
    two: dict
    three: dict
    results_of_two: list[Result]
    results: list[Result]
    printed: str


@pytest.fixture(scope="module")
def runs(recipe_bindings, run_recipe, file_states, tmp_path_factory):
    """The first run is stopped at the second checkpoint of the teacher."""
    # The fine-tuning's own binding changes nothing without a validation set, but keeps "none" from being the teacher.
    own = "finetune/train_stage.evaluate_epochs = 7"
    bindings = (*recipe_bindings, "evaluate_model.background = 'blue'", own)
    folder = tmp_path_factory.mktemp("recipe") / "o"
    with stopped_at_checkpoint(2):
        run_recipe(folder, bindings)
    stopped = file_states(folder)
    results_of_two, _ = run_recipe(folder, bindings)
    two = file_states(folder)
    results, printed = run_recipe(folder, [*bindings, "recipe.strategies = ['none', 'weak', 'spl_b']"])
    return _Runs(folder, stopped, two, file_states(folder), results_of_two, results, printed)


class RecipeTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, runs):
        self.runs, self.seed0 = runs, runs.folder / "seed0"

    def _json(self, *path):
        return json.loads(self.seed0.joinpath(*path).read_text())

    def test_shards_hold_whole_target_and_test_videos_and_web_clips(self):
        for name, clips, seconds in (("target", 12, 0.0), ("web", 72, 0.8), ("test", 12, 0.0)):
            dataset = load_dataset(self.runs.folder / "shards" / name)
            self.assertEqual((dataset.num_clips, dataset.num_videos), (clips, 12), name)
            self.assertEqual((dataset.clip_seconds, dataset.fps, dataset.short_side), (seconds, 10.0, 32))
            self.assertEqual(dataset.classes, ("red", "green", "blue"))

    @pytest.mark.slow
    def test_a_run_stopped_in_the_teacher_goes_on_to_the_weights_of_an_undisturbed_one(self):
        """Teacher and no pre-training are one training here: same data, seed and options. Only the teacher stopped."""
        checkpoints = [path for path in self.runs.stopped if path.startswith("seed0/teacher/checkpoints/ckpt-")]
        self.assertNotEmpty(checkpoints)
        self.assertNotIn("seed0/teacher/finished.json", self.runs.stopped)
        self.assertEqual(self._json("teacher", "metrics.json")["steps"], 9)
        resumed, undisturbed = (
            stored_weights(self.seed0 / name / "backbone.weights.h5") for name in ("teacher", "none/finetune")
        )
        self.assertGreater(len(resumed), 20)
        self.assertEqual(resumed.keys(), undisturbed.keys())
        for name, values in undisturbed.items():
            self.assertAllEqual(resumed[name], values, name)

    def test_another_strategy_only_adds(self):
        states = (self.runs.two, self.runs.three)
        changed = {path for path in states[0] | states[1] if states[0].get(path) != states[1].get(path)}
        folders = {tuple(path.split("/")[:3]) for path in changed - {"results.csv", "report.html"}}
        self.assertEqual(folders, {("seed0", "spl_b", step) for step in ("labels", "pretrain", "finetune", "test")})
        self.assertEqual(self.runs.results[:2], self.runs.results_of_two)

    def test_results_repeat_what_each_stage_found(self):
        confusion = np.load(self.seed0 / "spl_b" / "labels" / "confusion.npy")
        noise = 1 - np.trace(confusion) / confusion.sum()
        found = [(r.arm, r.seed, r.classes, r.clips, r.samples_cover_ratio) for r in self.runs.results]
        self.assertEqual(found, [("none", 0, 0, 0, None), ("weak", 0, 3, 72, 1.0), ("spl_b", 0, 6, 72, 1.0)])
        self.assertEqual([result.noise_ratio for result in self.runs.results], [None, noise, noise])
        for result in self.runs.results:
            tested = np.load(self.seed0 / result.arm / "test" / "confusion.npy")
            self.assertEqual(tested.sum(), 12)
            self.assertAllClose(result.metrics["top_1"], np.trace(tested) / 12)
            of_class = self._json(result.arm, "test", "metrics.json")["per_class"]
            precisions = [of_class[name]["average_precision"] for name in ("red", "green")]  # Blue is background.
            self.assertAllClose(result.metrics["mean_average_precision"], np.mean(precisions))
            self.assertEqual(result.main_metric, "mean_average_precision")
            trained = ["finetune"] if result.arm == "none" else ["finetune", "pretrain"]
            seconds = [self._json(result.arm, name, "step.json")["result"]["seconds"] for name in trained]
            self.assertAllClose(result.seconds, sum(seconds))

    def test_confusion_and_labels_follow_from_queries_and_the_teacher_s_predictions(self):
        predictions = sorted((self.seed0 / "predictions").glob("*.parquet"))
        labels = self.seed0 / "spl_b" / "labels"
        query, teacher = (
            np.concatenate([pq.read_table(path)[name].to_numpy() for path in predictions])
            for name in ("weak", "teacher")
        )
        label = np.concatenate([pq.read_table(labels / path.name)["label"].to_numpy() for path in predictions])
        counted = np.zeros((3, 3), int)
        np.add.at(counted, (query, teacher), 1)
        self.assertEqual(counted.sum(axis=1).tolist(), [24, 24, 24])
        self.assertAllEqual(np.load(labels / "confusion.npy"), counted)
        # SPL-B: per query one class where the teacher agrees and one where it does not.
        groups = set(zip(query.tolist(), (query == teacher).tolist(), label.tolist(), strict=True))
        self.assertLen({(q, agrees) for q, agrees, _ in groups}, len(groups))
        self.assertLen({label for *_, label in groups}, len(groups))

    def test_stages_are_trained_on_what_the_method_says(self):
        inputs = {path.parent: json.loads(path.read_text()) for path in self.seed0.rglob("run.json")}
        self.assertLen(inputs, 6)
        for folder, identity in inputs.items():
            pretrained = folder.name == "finetune" and folder.parent.name != "none"
            self.assertEqual("initial weights" in identity, pretrained, folder)
            self.assertEqual("labels" in identity, folder.name == "pretrain", folder)
            self.assertEqual(self._json(folder, "metrics.json")["clips"], 72 if folder.name == "pretrain" else 12)

    def test_the_report_shows_where_the_network_looks_in_clips_of_cells_off_the_diagonal(self):
        report = (self.runs.folder / "report.html").read_text("utf-8")
        self.assertNotIn("Not shown", report)
        section = report[report.index('<section id="explained"') :]
        section = section[: section.index("</section>")]
        self.assertIn("pre-trained with spl_b", section)
        confusion = np.load(self.seed0 / "spl_b" / "labels" / "confusion.npy")
        cells = np.count_nonzero(confusion - np.diag(np.diag(confusion)))
        self.assertEqual(section.count("<img"), min(6, cells))

    def test_results_csv_and_the_table_show_every_run(self):
        with open(self.runs.folder / "results.csv", newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        self.assertEqual([row["strategy"] for row in rows], ["none", "weak", "spl_b"])
        self.assertEqual(
            [float(row["top_1"]) for row in rows], [result.metrics["top_1"] for result in self.runs.results]
        )
        table = [line.split() for line in self.runs.printed.splitlines() if line.startswith("| ")][1:]
        self.assertEqual([line[1] for line in table], ["none", "weak", "spl_b"])
        for column, name in ((-6, "top_1"), (-4, "mean_average_precision")):
            values = [f"{100 * result.metrics[name]:.1f}" for result in self.runs.results]
            self.assertEqual([line[column] for line in table], values)
