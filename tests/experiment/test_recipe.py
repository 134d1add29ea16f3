"""The whole method on coloured videos, and which of its stages a change makes it do again."""

import contextlib
import csv
import dataclasses
import io
import itertools
import json
import pathlib
import shutil
from unittest import mock

import gin
import h5py
import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command, configuration, files
from spl_tf import recipe as recipe_command
from spl_tf.data.dataset import load_dataset
from spl_tf.data.record import clip_from_bytes
from spl_tf.experiment import recipe as recipe_module
from spl_tf.experiment.recipe import recipe
from spl_tf.experiment.table import Result
from spl_tf.labels import sidecars
from spl_tf.training import stage as stage_module


class _Stopped(BaseException):
    """Stands for whatever ends a process."""


@dataclasses.dataclass
class _Runs:
    """A recipe run three times in one folder.

    Attributes:
      folder: not to be changed by a test.
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


def _bindings(videos, tiny_bindings):
    return [
        *tiny_bindings,
        "recipe.videos = @video_folder",
        f"video_folder.folder = '{videos}'",
        "video_folder.target = 'target.csv'",
        "recipe.strategies = ['none', 'weak']",
        "recipe.fps = 10",
        "recipe.short_side = 32",
        "recipe.web_clip_seconds = 0.8",
        "train_stage.precision = 'float32'",
        "predict_clips.precision = 'float32'",
        "train_stage.epochs = 3",
        "train_stage.steps_per_loop = 3",
        "train_stage.checkpoint_seconds = 0",
        "pretrain/train_stage.epochs = 0.5",
    ]


def _run(output_dir, bindings):
    """(results, printed text) of a run."""
    configuration.parse([], bindings)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        results = recipe(output_dir)
    return results, printed.getvalue()


def _states(folder):
    """Path below the folder -> (inode, time of the last change) of every file."""
    stats = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {str(path.relative_to(folder)): (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}


def _different(before, after):
    """Paths of files that are new, changed or gone."""
    return {path for path in before | after if before.get(path) != after.get(path)}


@pytest.fixture(scope="module")
def runs(color_videos, tiny_bindings, tmp_path_factory):
    """The first run is stopped at a checkpoint of the teacher."""
    folder = tmp_path_factory.mktemp("recipe") / "o"
    bindings = _bindings(color_videos, tiny_bindings)
    save = stage_module.Checkpoints.save

    def save_and_stop(checkpoints):
        save(checkpoints)
        raise _Stopped

    with mock.patch.object(stage_module.Checkpoints, "save", save_and_stop), contextlib.suppress(_Stopped):
        _run(folder, bindings)
    stopped = _states(folder)
    results_of_two, _ = _run(folder, bindings)
    two = _states(folder)
    results, printed = _run(folder, [*bindings, "recipe.strategies = ['none', 'weak', 'spl_b']"])
    gin.clear_config()
    keras.mixed_precision.set_dtype_policy("float32")
    keras.utils.clear_session(free_memory=False)
    return _Runs(folder, stopped, two, _states(folder), results_of_two, results, printed)


class RecipeTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, runs):
        self.runs, self.seed0 = runs, runs.folder / "seed0"

    def _metrics(self, *path):
        return json.loads(self.seed0.joinpath(*path, "metrics.json").read_text())

    def test_shards_hold_whole_target_and_test_videos_and_web_clips(self):
        for name, clips, seconds in (("target", 12, 0.0), ("web", 72, 0.8), ("test", 12, 0.0)):
            dataset = load_dataset(self.runs.folder / "shards" / name)
            self.assertEqual((dataset.num_clips, dataset.num_videos), (clips, 12), name)
            self.assertEqual((dataset.clip_seconds, dataset.fps, dataset.short_side), (seconds, 10.0, 32))
            self.assertEqual(dataset.classes, ("red", "green", "blue"))

    def test_a_run_stopped_in_the_teacher_goes_on_to_the_weights_of_an_undisturbed_one(self):
        """Teacher and no pre-training are one training here; only the teacher was stopped, after 3 of 9 steps."""
        self.assertIn("seed0/teacher/checkpoints/ckpt-3.index", self.runs.stopped)
        self.assertNotIn("seed0/teacher/finished.json", self.runs.stopped)
        found = []
        for name in ("teacher", "none/finetune"):
            self.assertEqual(self._metrics(name)["steps"], 9)
            with h5py.File(self.seed0 / name / "backbone.weights.h5") as opened:
                weights = {}
                opened.visititems(
                    lambda key, item: weights.update({key: item[()]}) if isinstance(item, h5py.Dataset) else None
                )
            found.append(weights)
        self.assertGreater(len(found[0]), 20)
        self.assertEqual(found[0].keys(), found[1].keys())
        for key, values in found[0].items():
            self.assertAllEqual(values, found[1][key], key)

    def test_another_strategy_only_adds(self):
        added = _different(self.runs.two, self.runs.three) - {"results.csv"}
        self.assertEqual({path.split("/")[:2] == ["seed0", "spl_b"] for path in added}, {True})
        self.assertEqual({path.split("/")[2] for path in added}, {"labels", "pretrain", "finetune", "test"})
        self.assertEqual(self.runs.results[:2], self.runs.results_of_two)

    def test_results_repeat_what_each_stage_found(self):
        confusion = np.load(self.seed0 / "spl_b" / "labels" / "confusion.npy")
        noise = 1 - np.trace(confusion) / confusion.sum()
        found = [(r.strategy, r.seed, r.classes, r.clips, r.samples_cover_ratio) for r in self.runs.results]
        self.assertEqual(found, [("none", 0, 0, 0, None), ("weak", 0, 3, 72, 1.0), ("spl_b", 0, 6, 72, 1.0)])
        self.assertEqual([result.noise_ratio for result in self.runs.results], [None, noise, noise])
        for result in self.runs.results:
            tested = np.load(self.seed0 / result.strategy / "test" / "confusion.npy")
            self.assertEqual(tested.sum(), 12)
            self.assertAllClose(result.top_1, np.trace(tested) / 12)
            seconds = [
                json.loads(path.read_text())["result"]["seconds"]
                for path in (self.seed0 / result.strategy).glob("*/step.json")
                if path.parent.name in ("pretrain", "finetune")
            ]
            self.assertLen(seconds, 1 if result.strategy == "none" else 2)
            self.assertAllClose(result.seconds, sum(seconds))

    def test_confusion_and_labels_follow_from_queries_and_the_teacher_s_predictions(self):
        counted = np.zeros((3, 3), int)
        labels = []  # (query, teacher, label)
        for path in sorted((self.seed0 / "predictions").glob("*.parquet")):
            pairs = pq.read_table(path, columns=["weak", "teacher"]).to_pydict().values()
            labels += zip(*pairs, pq.read_table(self.seed0 / "spl_b" / "labels" / path.name)["label"].to_pylist())
        for query, teacher, _ in labels:
            counted[query, teacher] += 1
        self.assertEqual(counted.sum(axis=1).tolist(), [24, 24, 24])
        self.assertAllEqual(np.load(self.seed0 / "spl_b" / "labels" / "confusion.npy"), counted)
        # SPL-B: per query one class where the teacher agrees and one where it does not.
        of_label = {label: {(q, q == t) for q, t, other in labels if other == label} for *_, label in labels}
        self.assertEqual({len(kinds) for kinds in of_label.values()}, {1})
        self.assertLen(of_label, len({(query, query == teacher) for query, teacher, _ in labels}))

    def test_stages_are_trained_on_what_the_method_says(self):
        inputs = {path.parent: json.loads(path.read_text()) for path in self.seed0.rglob("run.json")}
        self.assertLen(inputs, 6)
        for folder, identity in inputs.items():
            pretrained = folder.name == "finetune" and folder.parent.name != "none"
            self.assertEqual("initial weights" in identity, pretrained, folder)
            self.assertEqual("labels" in identity, folder.name == "pretrain", folder)
            self.assertEqual(self._metrics(folder)["clips"], 72 if folder.name == "pretrain" else 12, folder)

    def test_results_csv_and_the_table_show_every_run(self):
        with open(self.runs.folder / "results.csv", newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        self.assertEqual([row["strategy"] for row in rows], ["none", "weak", "spl_b"])
        self.assertEqual([float(row["top_1"]) for row in rows], [result.top_1 for result in self.runs.results])
        table = [line.split() for line in self.runs.printed.splitlines() if line.startswith("|")]
        self.assertEqual([line[1] for line in table[2:]], ["none", "weak", "spl_b"])
        self.assertEqual([line[-4] for line in table[2:]], [f"{100 * r.top_1:.1f}" for r in self.runs.results])


@dataclasses.dataclass
class _FakeStages:
    """Stages that leave what later steps look at, and a list of their calls; each call's weights are others.

    Attributes:
      teacher: int [records of a shard], the predictions of every shard.
      calls: e.g. "teacher", "predict", "weak/pretrain", with "seed1/" before those of seed 1.
    """

    teacher: np.ndarray
    calls: list[str] = dataclasses.field(default_factory=list)
    numbers: itertools.count = dataclasses.field(default_factory=itertools.count)

    def train(self, stage, folder, *, seed, **inputs):
        self._note(folder)
        for name in ("backbone.weights.h5", "folded.keras"):
            files.write_text(folder / name, f"{stage} {seed} {next(self.numbers)}")
        return {"clips": 1}

    def predict(self, model_dir, shards, output_dir):
        self._note(output_dir)
        dataset = load_dataset(shards)
        described = {}
        for shard in dataset.shards:
            clips = [clip_from_bytes(record) for record in tf.data.TFRecordDataset(shard.path).as_numpy_iterator()]
            sidecars.write_predictions(
                output_dir / f"{shard.name}.parquet",
                clip_ids=[clip.clip_id for clip in clips],
                weak=np.array([clip.labels[0] for clip in clips]),
                teacher=self.teacher[: len(clips)],
                confidence=np.ones(len(clips)),
                shard_fingerprint=shard.fingerprint,
            )
            described[shard.name] = {
                "fingerprint": shard.fingerprint,
                "ids_digest": shard.ids_digest,
                "records": shard.records,
            }
        model = files.sha256(model_dir / "folded.keras")
        index = {"format_version": 1, "classes": list(dataset.classes), "shards": described, "model": model}
        files.write_json(output_dir / "predictions.json", index)
        return {"num_clips": dataset.num_clips}

    def evaluate(self, model_dir, shards, output_dir):
        self._note(output_dir)
        return {"top_1": 0.5, "top_5": 1.0}

    def _note(self, folder):
        seed, *names = folder.parts[folder.parts.index("o") + 1 :]
        self.calls.append("/".join(names if seed == "seed0" else [seed, *names]))


ALL = ["teacher", "predictions", "none/finetune", "none/test", "weak/pretrain", "weak/finetune", "weak/test"]


class RepetitionTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_videos, color_shards, tiny_bindings, runs):
        self.videos, self.runs, self.bindings = color_videos, runs, _bindings(color_videos, tiny_bindings)
        self.other_shards = color_shards / "test"

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        shutil.copytree(self.runs.folder / "shards", self.folder / "o" / "shards")
        self.fake = _FakeStages(np.arange(72) % 3)

    def _calls(self, *bindings):
        """The stages that a run calls."""
        self.fake.calls.clear()
        with mock.patch.multiple(
            recipe_module,
            train_stage=self.fake.train,
            predict_clips=self.fake.predict,
            evaluate_model=self.fake.evaluate,
        ):
            _run(self.folder / "o", [*self.bindings, *bindings])
        return list(self.fake.calls)

    def test_stages_follow_each_other_and_shared_ones_are_run_once(self):
        self.assertEqual(self._calls(), ALL)

    @parameterized.parameters(
        ("recipe.strategies = ['none', 'weak']", []),
        ("recipe.strategies = ['weak']", []),
        ("recipe.strategies = ['none', 'weak', 'spl']", ["spl/pretrain", "spl/finetune", "spl/test"]),
        ("recipe.seeds = [0, 1]", [f"seed1/{name}" for name in ALL]),
        ("SGD.momentum = 0.8", ALL),
        ("teacher/train_stage.epochs = 9", ["teacher", "predictions"]),  # The weak labels stay what they are.
        ("predict_clips.num_views = 2", ["predictions"]),
        ("pretrain/train_stage.epochs = 9", ["weak/pretrain", "weak/finetune", "weak/test"]),
        ("finetune/train_stage.epochs = 9", ["none/finetune", "none/test", "weak/finetune", "weak/test"]),
        ("evaluate_model.num_views = 2", ["none/test", "weak/test"]),
        ("recipe.num_labels = 5", []),  # Not of these strategies.
        ("recipe.min_confidence = 0.5", []),
        ("train_stage.steps_per_loop = 5", []),
        ("pretrain/train_stage.init_weights = '{weights}'", ["weak/pretrain", "weak/finetune", "weak/test"]),
        ("pretrain/train_stage.validation_shards = '{shards}'", ["weak/pretrain", "weak/finetune", "weak/test"]),
        ("video_folder.folder = '{moved}'", []),
    )
    def test_a_binding_redoes_what_it_changes_and_what_builds_on_that(self, binding, redone):
        self._calls()
        shutil.copytree(self.videos, self.folder / "moved")
        (self.folder / "w.h5").touch()
        values = {"weights": self.folder / "w.h5", "shards": self.other_shards, "moved": self.folder / "moved"}
        binding = binding.format(**values)
        self.assertEqual(self._calls(binding), redone)
        self.assertEqual(self._calls(binding), [])

    @parameterized.named_parameters(("all_clips", np.arange(72) % 2), ("two_clips_of_one_query", None))
    def test_other_predictions_of_the_teacher_redo_what_is_trained_on_them(self, teacher):
        """Two clips that change places leave every count as it was, but not the labels."""
        strategies = "recipe.strategies = ['weak', 'spl']"
        self._calls(strategies)
        if teacher is None:
            teacher = self.fake.teacher.copy()
            teacher[[0, 1]] = teacher[[1, 0]]
        self.fake.teacher = teacher
        redone = self._calls(strategies, "teacher/train_stage.epochs = 9")
        self.assertEqual(redone, ["teacher", "predictions", "spl/pretrain", "spl/finetune", "spl/test"])

    def test_a_finished_run_is_left_as_it_is(self):
        self._calls()
        before = _states(self.folder)
        content = (self.folder / "o" / "results.csv").read_bytes()
        self.assertEqual(self._calls(), [])
        self.assertLessEqual(_different(before, _states(self.folder)), {"o/results.csv"})
        self.assertEqual((self.folder / "o" / "results.csv").read_bytes(), content)

    def test_results_of_a_longer_list_survive_a_stop_in_a_later_run(self):
        self._calls("recipe.seeds = [0, 1]")
        content = (self.folder / "o" / "results.csv").read_bytes()
        self.fake.predict = mock.Mock(side_effect=_Stopped)
        with self.assertRaises(_Stopped):
            self._calls("recipe.seeds = [0, 1, 2]")
        self.assertEqual((self.folder / "o" / "results.csv").read_bytes(), content)

    def _call(self, *arguments):
        """(exit code, standard output, standard error) of the command on a file of the bindings."""
        (self.folder / "tiny.gin").write_text("\n".join(self.bindings))
        arguments = [f"--gin_file={self.folder / 'tiny.gin'}", f"--output_dir={self.folder / 'o'}", *arguments]
        stdout, stderr = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            module = recipe_command
            code = command.execute(module.main, module.FLAGS, module.__doc__, ["recipe", *arguments])
        return code, stdout.getvalue(), stderr.getvalue()

    def test_command_prints_the_table_and_exits_with_0(self):
        self._calls()
        code, printed, _ = self._call()
        self.assertEqual(code, 0)
        table = [line.split()[1] for line in printed.splitlines() if line.startswith("| ")]
        self.assertEqual(table, ["strategy", "none", "weak"])

    @parameterized.parameters(
        ("recipe.strategies = ['none', 'spl_x']", "spl_x"),
        ("recipe.min_confidence = 1.5", "min_confidence is 1.5"),
        ("video_folder.folder = 'nowhere'", "nowhere/classes.txt does not exist: set video_folder.folder"),
        ("recipe.seed = 1", "did you mean 'seeds'"),
    )
    def test_mistakes_are_one_line_and_exit_with_2_before_anything_is_trained(self, binding, message):
        with mock.patch.object(recipe_module, "train_stage", side_effect=_Stopped):
            code, _, complaint = self._call(f"--gin_param={binding}")
        self.assertEqual(code, 2)
        self.assertIn(message, complaint)
        self.assertLen(complaint.splitlines(), 1)
