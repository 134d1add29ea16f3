"""One arm of the study, from shards to the row of the results; arms share every stage they have in common."""

import csv
import dataclasses
import hashlib
import json
import pathlib

import gin
import numpy as np

from spl_tf import configuration, files
from spl_tf.data.dataset import load_dataset
from spl_tf.experiment.noise_matrices import save_counts, save_estimate
from spl_tf.experiment.resumable import Json, run_step
from spl_tf.experiment.table import Result
from spl_tf.experiment.tasks import NO_PRETRAINING, WebLabels, networks_forgotten, predict, run_strategy, train
from spl_tf.inference.probe import probe_backbone
from spl_tf.labels import predictions as prediction_files
from spl_tf.models.inflation import inflate
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.transfer import read_backbone_weights, save_backbone_weights
from spl_tf.training.identity import digest, stage_settings
from tools.study.arms import MAIN, Arm
from tools.study.results import Row, provenance
from tools.study.sets import VideoSets, read_sidecar
from tools.study.truth import label_truth_table
from tools.study.variants import FRAMES, VARIANTS


class Study:
    """The data of the study, and what its arms do with it. Settings are those of the recipe's gin file."""

    def __init__(self, output_dir: pathlib.Path):
        self._output = output_dir
        self._sets = VideoSets(output_dir)

    def identity(self, arm: Arm) -> Row:
        """What tells an arm's row from any other; the configuration as a hash."""
        settings = {stage: stage_settings(stage) for stage in configuration.STAGES}
        shards = (self._sets.clean.target, self._sets.web, self._sets.clean.test)
        settings |= {str(i): digest(load_dataset(path)) for i, path in enumerate(shards)}
        config = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        return dataclasses.asdict(arm) | {"config": config}

    def folder(self, arm: Arm) -> pathlib.Path:
        """Where an arm's own stages lie."""
        options = [f"right{100 * arm.query_right:g}"] if arm.query_right is not None else []
        options += [f"share{100 * arm.teacher_share:g}"] if arm.teacher_share < 1 else []
        options += [arm.variant] if arm.variant else []
        return self._output / "arms" / "-".join([arm.study, *options]) / f"seed{arm.seed}" / arm.strategy

    def run(self, arm: Arm) -> Row:
        """Runs an arm to its end.

        Returns:
          The row's results: the columns of the recipe's table; `correct`, a digit for each test video
          in the order of their ids; probes of the pre-trained backbone; clips by label and truth; and
          where and with what it was run.
        """
        variant = VARIANTS[arm.variant]
        web = self._web_labels(arm)
        epochs = gin.query_parameter("pretrain/train_stage.epochs")
        bindings = [f"pretrain/train_stage.epochs = {epochs * variant.repeats}", *variant.bindings]
        if variant.transition:
            bindings.append(f"forward_correction.transition = '{self._transition(arm, variant.transition)}'")
        init_weights = self._inflated(arm.seed) if variant.starts_from_frames else None
        with configuration.overridden(bindings):
            result = self._run_strategy(arm, web, init_weights)
        row = dataclasses.asdict(result) | {"correct": self._correct(self.folder(arm) / "test" / "videos.csv")}
        if arm.strategy != NO_PRETRAINING:
            row |= self._probe(arm) | self._compare_with_truth(arm, web.predictions)
        return {name: value for name, value in row.items() if name not in ("strategy", "seed", "round")} | provenance()

    def _run_strategy(self, arm: Arm, web: WebLabels | None, init_weights: pathlib.Path | None = None) -> Result:
        return run_strategy(arm.strategy, arm.seed, self.folder(arm), self._sets.clean, web, arm.round, init_weights)

    def _run_main(self, strategy: str, seed: int) -> pathlib.Path:
        """The folder of an arm of the main study: here already, unless that was run on another machine."""
        arm = Arm(MAIN, strategy, seed)
        with files.locked(self.folder(arm), "an arm", wait=True):
            self._run_strategy(arm, self._web_labels(arm))
        return self.folder(arm)

    def _web_labels(self, arm: Arm) -> WebLabels | None:
        if arm.strategy == NO_PRETRAINING:
            return None
        variant = VARIANTS[arm.variant]
        web = self._sets.web_of(variant)
        predictions = self._predictions(arm, web)
        return WebLabels(web, predictions, variant.num_labels, arm.min_confidence)

    def _predictions(self, arm: Arm, web: pathlib.Path) -> pathlib.Path:
        """Side-cars of the arm's teacher, with the queries the arm asks for."""
        if arm.round > 1:
            student = self._run_main(arm.strategy, arm.seed)
            return predict(student / "finetune", web, self.folder(arm) / "predictions")
        folder = self._output / "teachers" / f"share{100 * arm.teacher_share:g}" / f"seed{arm.seed}"
        with files.locked(folder, "a teacher", wait=True):
            self._train_teacher(arm.teacher_share, arm.seed, folder)
            predictions = predict(folder / "teacher", web, folder / web.name.replace("web", "predictions", 1))
            if arm.query_right is None:
                return predictions
            relabelled = folder / f"predictions_right{100 * arm.query_right:g}"
            return self._sets.relabel(predictions, arm.query_right, arm.seed, relabelled)

    def _train_teacher(self, share: float, seed: int, folder: pathlib.Path) -> None:
        if share == 1:
            train("teacher", folder / "teacher", seed, train_shards=self._sets.clean.target)
            return
        # As many steps as the teacher of the whole set.
        epochs = gin.query_parameter("teacher/train_stage.epochs") / share
        shards = self._sets.part_of_target(share, seed, folder)
        train("teacher", folder / "teacher", seed, train_shards=shards, epochs=epochs)

    def _transition(self, arm: Arm, how: str) -> pathlib.Path:
        """The matrix of Forward correction as a file."""
        learned = self._run_main("weak", arm.seed)
        folder = self.folder(arm) / "transition"
        if how == "counted":
            return save_counts(learned / "labels", folder)
        return save_estimate(learned / "pretrain", self._sets.web, folder)

    def _inflated(self, seed: int) -> pathlib.Path:
        """Weights of a network trained on single web frames with their weak labels, inflated."""
        folder = self._output / "frames" / f"seed{seed}"
        labels = self._run_main("weak", seed) / "labels"
        with files.locked(folder, "the networks over frames", wait=True):
            with configuration.overridden(FRAMES.bindings):
                train("pretrain", folder / "images", seed, train_shards=self._sets.web, labels_dir=labels)
            images = folder / "images" / "backbone.weights.h5"

            def action() -> Json:
                with networks_forgotten(), gin.config_scope("pretrain"):
                    backbone = resnet3d()
                    inflate(backbone, read_backbone_weights(images))
                    save_backbone_weights(backbone, folder / "clips" / images.name)
                return {}

            run_step(folder / "clips", {"images": files.sha256(images)}, action, outputs=[images.name])
        return folder / "clips" / images.name

    def _correct(self, videos: pathlib.Path) -> str:
        with open(videos, newline="", encoding="utf-8") as opened:
            rows = sorted(csv.DictReader(opened), key=lambda row: row["video_id"])
        return "".join(str(int(row["label"] == row["prediction"])) for row in rows)

    def _probe(self, arm: Arm) -> Row:
        with networks_forgotten():
            probed = probe_backbone(self.folder(arm) / "pretrain", self._sets.clean.target, self._sets.clean.test)
        return {"linear_probe": probed.linear, "knn": probed.knn}

    def _compare_with_truth(self, arm: Arm, predictions: pathlib.Path) -> Row:
        """How many weak labels and predictions are right, and what the classes of the new label space show."""
        source = prediction_files.open_predictions(predictions)
        tables = [read_sidecar(source.path(shard)) for shard in source.shards]
        folder = self.folder(arm) / "labels"
        labels = np.concatenate([read_sidecar(folder / f"{shard}.parquet")["label"] for shard in source.shards])
        weak, teacher = (np.concatenate([table[name] for table in tables]) for name in ("weak", "teacher"))
        truths = self._sets.truths([clip_id for table in tables for clip_id in table["clip_id"]])
        names = files.read_json(folder / "summary.json", "run the study again")["class_names"]
        return {
            "weak_right": float(np.mean(weak == truths)),
            "teacher_right": float(np.mean(teacher == truths)),
            "label_names": names,
            "label_truth": label_truth_table(labels, truths, len(names), len(self._sets.classes)).tolist(),
        }
