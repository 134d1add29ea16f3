"""A recipe over the coloured videos, small enough for a test."""

import contextlib
import dataclasses
import io
import itertools
import pathlib
from unittest import mock

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from spl_tf import checksums, configuration, files
from spl_tf.data.dataset import load_dataset
from spl_tf.data.record import clip_from_bytes
from spl_tf.experiment import checks, held_out, tasks
from spl_tf.experiment.recipe import recipe
from spl_tf.experiment.resumable import replacing_changed
from spl_tf.labels import figures, sidecar_files
from spl_tf.report.page import write_report
from tests.colour_recipe import COLOUR_RECIPE

_numbers = itertools.count()


@dataclasses.dataclass
class FakeStages:
    """Notes which stages are called; the weights of every call are others.

    Attributes:
      teacher: int [records of a shard or more], the predictions in every shard.
      calls: folders below the seed's, with "seed1/" before those of seed 1.
      init_weights: call -> what a training began with.
    """

    teacher: np.ndarray
    calls: list[str] = dataclasses.field(default_factory=list)
    init_weights: dict[str, pathlib.Path | None] = dataclasses.field(default_factory=dict)

    @contextlib.contextmanager
    def in_place(self):
        with (
            mock.patch.multiple(
                tasks, train_stage=self.train, predict_clips=self.predict, evaluate_model=self.evaluate
            ),
            mock.patch.object(held_out, "cross_validate", self.cross_validate),
            mock.patch.object(checks, "require_network"),
            mock.patch.multiple(figures, draw_confusion=mock.DEFAULT, draw_long_tail=mock.DEFAULT),
        ):
            yield

    def train(self, stage, folder, *, seed, **inputs):
        self._note(folder)
        self.init_weights[self.calls[-1]] = inputs["init_weights"]
        for name in ("backbone.weights.h5", "folded.keras"):
            files.write_text(folder / name, str(next(_numbers)))
        checksums.complete(folder, {"backbone.weights.h5": None, "folded.keras": None}, "finished.json", "{}")
        return {"clips": 1}

    def cross_validate(self, stage, shards, output_dir, *, num_folds, seed, same_scene, inputs):
        self._note(output_dir)
        self._write_predictions(load_dataset(shards), output_dir, model="")

    def predict(self, model_dir, shards, output_dir):
        self._note(output_dir)
        dataset = load_dataset(shards)
        self._write_predictions(dataset, output_dir, model=files.sha256(model_dir / "folded.keras"))
        return {"num_clips": dataset.num_clips}

    def _write_predictions(self, dataset, output_dir, model):
        index = {"format_version": 1, "classes": list(dataset.classes), "shards": {}}
        for shard in dataset.shards:
            clips = [clip_from_bytes(record) for record in tf.data.TFRecordDataset(shard.path).as_numpy_iterator()]
            sidecar_files.write_predictions(
                output_dir / f"{shard.name}.parquet",
                clip_ids=[clip.clip_id for clip in clips],
                weak=np.array([clip.labels[0] for clip in clips]),
                teacher=self.teacher[: len(clips)],
                confidence=np.ones(len(clips)),
                shard_fingerprint=shard.fingerprint,
            )
            entry = {"fingerprint": shard.fingerprint, "ids_digest": shard.ids_digest, "records": shard.records}
            index["shards"][shard.name] = entry
        text = files.json_text(index | {"model": model})
        checksums.complete(output_dir, {f"{name}.parquet": None for name in index["shards"]}, "predictions.json", text)

    def evaluate(self, model_dir, shards, output_dir):
        self._note(output_dir)
        files.write_json(output_dir / "metrics.json", {})
        return {"top_1": 0.5, "top_5": 1.0}

    def _note(self, folder):
        seed, *names = folder.parts[folder.parts.index("o") + 1 :]
        self.calls.append("/".join(names if seed == "seed0" else [seed, *names]))


@pytest.fixture(scope="session")
def fake_stages():
    """The stages' stand-ins, of a teacher's predictions."""
    return FakeStages


@pytest.fixture(scope="session")
def recipe_bindings(color_videos, tiny_bindings):
    """Strategies none and weak, one seed; every training takes nine steps."""
    return (
        *tiny_bindings,
        *COLOUR_RECIPE,
        f"video_folder.folder = '{color_videos}'",
        "video_folder.target = 'target.csv'",
        "recipe.strategies = ['none', 'weak']",
        "train_stage.epochs = 3",
        "train_stage.checkpoint_seconds = 0",
        "pretrain/train_stage.epochs = 0.5",
    )


def _run_recipe(output_dir: pathlib.Path, bindings, *arms, replace_changed=False):
    """(results, printed text) of a run with its report, of all arms or these, that leaves no state in this process."""
    printed = io.StringIO()
    try:
        configuration.parse([], bindings)
        with contextlib.redirect_stdout(printed), replacing_changed(replace_changed):
            results = recipe(output_dir, arms)
            write_report(output_dir, results)
            return results, printed.getvalue()
    finally:
        gin.clear_config()
        keras.mixed_precision.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def run_recipe():
    return _run_recipe


def _file_states(folder: pathlib.Path):
    """Path below the folder -> (inode, time of the last change) of every file."""
    stats = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {str(path.relative_to(folder)): (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}


@pytest.fixture(scope="session")
def file_states():
    return _file_states
