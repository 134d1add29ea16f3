"""One arm of the study, from shards to the row of the results; arms share every stage they have in common."""

import csv
import dataclasses
import datetime
import functools
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess

import gin
import numpy as np
import pyarrow.parquet as pq

from spl_tf import configuration, files
from spl_tf.data.dataset import load_dataset
from spl_tf.experiment.stages import (
    NO_PRETRAINING,
    CleanShards,
    WebLabels,
    make_shards,
    networks_forgotten,
    predict,
    run_strategy,
    train,
)
from spl_tf.experiment.steps import Json, run_step
from spl_tf.experiment.table import Result
from spl_tf.experiment.video_lists import video_folder
from spl_tf.inference.probe import probe_backbone
from spl_tf.labels import predictions as prediction_files
from spl_tf.labels import sidecars
from spl_tf.labels.classes import read_classes
from spl_tf.labels.noise import flip_uniformly
from spl_tf.training.inputs import digest, stage_settings
from tools.study import manifests
from tools.study.arms import MAIN, Arm
from tools.study.results import Row
from tools.study.truth import clip_truths, label_truth_table

_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless", "scikit-learn")


class Study:
    """The data of the study, and what its arms do with it. Settings are those of the recipe's gin file."""

    def __init__(self, output_dir: pathlib.Path):
        self._output = output_dir
        self._lists = video_folder(output_dir)
        self._classes = read_classes(self._lists.classes)
        self._clip_seconds = gin.query_parameter("recipe.web_clip_seconds")
        self._make = functools.partial(
            make_shards,
            classes=self._lists.classes,
            fps=gin.query_parameter("recipe.fps"),
            short_side=gin.query_parameter("recipe.short_side"),
        )
        shards = output_dir / "shards"
        with files.locked(shards, "the shards", wait=True):
            clean = functools.partial(self._make, label_column="label", clip_seconds=0.0, keep_duplicates=True)
            self._clean = CleanShards(
                clean(self._lists.target, shards / "target"), clean(self._lists.test, shards / "test")
            )
            self._web = self._make(
                self._lists.web,
                shards / "web",
                label_column="query",
                clip_seconds=self._clip_seconds,
                exclude=[self._lists.test],
            )

    def identity(self, arm: Arm) -> Row:
        """What tells an arm's row from any other; the configuration as a hash."""
        settings = {stage: stage_settings(stage) for stage in configuration.STAGES}
        settings |= {str(i): digest(load_dataset(path)) for i, path in enumerate(self._shards())}
        config = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        return dataclasses.asdict(arm) | {"config": config}

    def folder(self, arm: Arm) -> pathlib.Path:
        """Where an arm's own stages lie."""
        options = [f"right{100 * arm.query_right:g}"] if arm.query_right is not None else []
        options += [f"share{100 * arm.teacher_share:g}"] if arm.teacher_share < 1 else []
        return self._output / "arms" / "-".join([arm.study, *options]) / f"seed{arm.seed}" / arm.strategy

    def run(self, arm: Arm) -> Row:
        """Runs an arm to its end.

        Returns:
          The row's results: the columns of the recipe's table; `correct`, a digit for each test video
          in the order of their ids; probes of the pre-trained backbone; clips by label and truth; and
          where and with what it was run.
        """
        web = self._web_labels(arm)
        result = self._run_strategy(arm, web)
        row = dataclasses.asdict(result) | {"correct": self._correct(self.folder(arm) / "test" / "videos.csv")}
        if arm.strategy != NO_PRETRAINING:
            row |= self._probe(arm) | self._compare_with_truth(arm, web.predictions)
        return {name: value for name, value in row.items() if name not in ("strategy", "seed", "round")} | _provenance()

    def _shards(self) -> tuple[pathlib.Path, ...]:
        return self._clean.target, self._web, self._clean.test

    def _run_strategy(self, arm: Arm, web: WebLabels | None) -> Result:
        return run_strategy(arm.strategy, arm.seed, self.folder(arm), self._clean, web, arm.round)

    def _web_labels(self, arm: Arm) -> WebLabels | None:
        if arm.strategy == NO_PRETRAINING:
            return None
        return WebLabels(self._web, self._predictions(arm), min_confidence=arm.min_confidence)

    def _predictions(self, arm: Arm) -> pathlib.Path:
        """Side-cars of the arm's teacher, with the queries the arm asks for."""
        if arm.round > 1:
            first = Arm(MAIN, arm.strategy, arm.seed)
            with files.locked(
                self.folder(first), "an arm", wait=True
            ):  # Here already, unless the main study was run on another machine.
                self._run_strategy(first, self._web_labels(first))
            return predict(self.folder(first) / "finetune", self._web, self.folder(arm) / "predictions")
        folder = self._output / "teachers" / f"share{100 * arm.teacher_share:g}" / f"seed{arm.seed}"
        with files.locked(folder, "a teacher", wait=True):
            self._train_teacher(arm, folder)
            predictions = predict(folder / "teacher", self._web, folder / "predictions")
            if arm.query_right is None:
                return predictions
            return self._relabel(predictions, arm, folder / f"predictions_right{100 * arm.query_right:g}")

    def _train_teacher(self, arm: Arm, folder: pathlib.Path) -> None:
        if arm.teacher_share == 1:
            train("teacher", folder / "teacher", arm.seed, train_shards=self._clean.target)
            return
        part = folder / "target.csv"
        manifests.write(part, manifests.draw_share(manifests.read(self._lists.target), arm.teacher_share, arm.seed))
        shards = self._make(part, folder / "target", label_column="label", clip_seconds=0.0, keep_duplicates=True)
        # As many steps as the teacher of the whole set.
        epochs = gin.query_parameter("teacher/train_stage.epochs") / arm.teacher_share
        train("teacher", folder / "teacher", arm.seed, train_shards=shards, epochs=epochs)

    def _relabel(self, predictions: pathlib.Path, arm: Arm, folder: pathlib.Path) -> pathlib.Path:
        """The same predictions beside weak labels of which the wanted share is right, every clip drawn by itself."""
        identity = {"predictions": files.sha256(predictions / "predictions.json"), "right": str(arm.query_right)}

        def action() -> Json:
            source = prediction_files.open_predictions(predictions)
            tables = [_read(source.path(shard)) for shard in source.shards]
            truths = self._truths([clip_id for table in tables for clip_id in table["clip_id"]])
            generator = np.random.default_rng(arm.seed)
            weak = flip_uniformly(truths, arm.query_right, len(self._classes), generator)
            ends = np.cumsum([len(table["clip_id"]) for table in tables])[:-1]
            for (shard, header), table, labels in zip(source.shards.items(), tables, np.split(weak, ends), strict=True):
                sidecars.write_predictions(
                    folder / f"{shard}.parquet",
                    clip_ids=table["clip_id"],
                    weak=labels,
                    teacher=table["teacher"],
                    confidence=table["confidence"],
                    shard_fingerprint=header.shard_fingerprint,
                    made_by=header.made_by,
                )
            made_by = next(iter(source.shards.values())).made_by
            prediction_files.write_index(dataclasses.replace(source, folder=folder), made_by)
            return {"clips": source.num_clips}

        run_step(folder, identity, action, outputs=["predictions.json"])
        return folder

    def _truths(self, clip_ids: list[str]) -> np.ndarray:
        truth = pathlib.Path(self._lists.web).with_name("web_truth.csv")
        return clip_truths(clip_ids, truth, self._classes, self._clip_seconds)

    def _correct(self, videos: pathlib.Path) -> str:
        with open(videos, newline="", encoding="utf-8") as opened:
            rows = sorted(csv.DictReader(opened), key=lambda row: row["video_id"])
        return "".join(str(int(row["label"] == row["prediction"])) for row in rows)

    def _probe(self, arm: Arm) -> Row:
        with networks_forgotten():
            probed = probe_backbone(self.folder(arm) / "pretrain", self._clean.target, self._clean.test)
        return {"linear_probe": probed.linear, "knn": probed.knn}

    def _compare_with_truth(self, arm: Arm, predictions: pathlib.Path) -> Row:
        """How many weak labels and predictions are right, and what the classes of the new label space show."""
        source = prediction_files.open_predictions(predictions)
        tables = [_read(source.path(shard)) for shard in source.shards]
        folder = self.folder(arm) / "labels"
        labels = np.concatenate([_read(folder / f"{shard}.parquet")["label"] for shard in source.shards])
        weak, teacher = (np.concatenate([table[name] for table in tables]) for name in ("weak", "teacher"))
        truths = self._truths([clip_id for table in tables for clip_id in table["clip_id"]])
        names = files.read_json(folder / "summary.json", "run the study again")["class_names"]
        return {
            "weak_right": float(np.mean(weak == truths)),
            "teacher_right": float(np.mean(teacher == truths)),
            "label_names": names,
            "label_truth": label_truth_table(labels, truths, len(names), len(self._classes)).tolist(),
        }


def _read(path: pathlib.Path) -> dict[str, np.ndarray | list[str]]:
    """The columns of a small side-car."""
    table = pq.read_table(path)
    return {
        name: table[name].to_pylist() if name == "clip_id" else table[name].to_numpy() for name in table.column_names
    }


def _provenance() -> Row:
    """When, where and with what a row was made."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=pathlib.Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "date": datetime.date.today().isoformat(),
        "commit": described.stdout.strip() or "unknown",
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _PACKAGES},
        "cores": len(os.sched_getaffinity(0)),
    }
