"""One row of the table with one seed, from shards to the test set; rows share every stage they have in common."""

import csv
import dataclasses
import hashlib
import json
import pathlib

import gin

from spl_tf import configuration, files
from spl_tf.data.dataset import load_dataset
from spl_tf.experiment.noise_matrices import counted_transition, save_estimate
from spl_tf.experiment.sets import make_sets
from spl_tf.experiment.tasks import CORRECTIONS, NO_PRETRAINING, WebLabels, predict, run_strategy, train
from spl_tf.experiment.video_lists import video_folder
from spl_tf.inference.probe import probe_backbone
from spl_tf.training.identity import digest, stage_settings
from tools.study.results import Row as Json
from tools.study.results import provenance
from tools.table6.rows import ROWS, Arm


class Study:
    """The data of the table, and what its rows do with it. Settings are those of the recipe's gin file."""

    def __init__(self, output_dir: pathlib.Path):
        self._output = output_dir
        lists = video_folder(output_dir)
        self._both_labels = lists.both_labels
        with files.locked(output_dir / "shards", "the shards", wait=True):
            self._clean, self._web = make_sets(
                lists,
                output_dir / "shards",
                fps=gin.query_parameter("recipe.fps"),
                short_side=gin.query_parameter("recipe.short_side"),
                web_clip_seconds=0,
            )

    def identity(self, arm: Arm) -> Json:
        """What tells a run from any other; the configuration as a hash."""
        settings = {stage: stage_settings(stage) for stage in configuration.STAGES}
        settings |= {str(i): digest(load_dataset(path)) for i, path in enumerate(self._folders())}
        if self._both_labels is not None and ROWS[arm.row].transition == "counted":
            settings["both labels"] = files.sha256(self._both_labels)
        config = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        return dataclasses.asdict(arm) | {"config": config}

    def folder(self, arm: Arm) -> pathlib.Path:
        """Where a row's own stages lie; beside it lies what the rows of a seed share."""
        return self._output / f"seed{arm.seed}" / "rows" / arm.row

    def run(self, arm: Arm) -> Json:
        """Runs a row to its end.

        Returns:
          The columns of the recipe's table; `correct`, a digit for each test image in the order of their
          ids; probes of the pre-trained backbone; and where and with what it was run.
        """
        row = ROWS[arm.row]
        web = None if row.strategy == NO_PRETRAINING else self._web_labels(arm.seed)
        bindings = list(row.bindings)
        if row.transition:
            matrix = self._transition(arm.seed, row.transition)
            bindings += [f"{loss}.transition = {str(matrix)!r}" for loss in CORRECTIONS]
        with configuration.overridden(bindings):
            result = dataclasses.asdict(run_strategy(row.strategy, arm.seed, self.folder(arm), self._clean, web))
        found = {name: value for name, value in result.items() if name not in ("strategy", "seed", "round")}
        found["correct"] = self._correct(self.folder(arm) / "test" / "videos.csv")
        if web is not None:
            probed = probe_backbone(self.folder(arm) / "pretrain", self._clean.target, self._clean.test)
            found |= {"linear_probe": probed.linear, "knn": probed.knn}
        return found | provenance()

    def _folders(self) -> tuple[pathlib.Path, ...]:
        return self._clean.target, self._web, self._clean.test

    def _web_labels(self, seed: int) -> WebLabels:
        folder = self._output / f"seed{seed}"
        with files.locked(folder / "teacher", "a teacher", wait=True):
            train("teacher", folder / "teacher", seed, train_shards=self._clean.target)
            predictions = predict(folder / "teacher", self._web, folder / "predictions")
        return WebLabels(self._web, predictions, teacher=folder / "teacher")

    def _transition(self, seed: int, how: str) -> pathlib.Path:
        """The matrix of a correction; estimated it is from the network of the row "weak" of the same seed."""
        weak = Arm("weak", seed)
        with files.locked(self.folder(weak), "a row of the table", wait=True):
            run_strategy("weak", seed, self.folder(weak), self._clean, self._web_labels(seed))
            folder = self._output / f"seed{seed}" / f"transition_{how}"
            if how == "counted":
                labels = self.folder(weak) / "labels"
                return counted_transition(self._web, labels, folder, seed, None, self._both_labels)
            return save_estimate(self.folder(weak) / "pretrain", self._web, folder)

    def _correct(self, images: pathlib.Path) -> str:
        with open(images, newline="", encoding="utf-8") as opened:
            rows = sorted(csv.DictReader(opened), key=lambda row: row["video_id"])
        return "".join(str(int(row["label"] == row["prediction"])) for row in rows)
