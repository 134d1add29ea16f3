"""What arms of the study do in place of the recipe's steps."""

import dataclasses
import pathlib

import gin
import numpy as np
import pyarrow.parquet as pq

from spl_tf import configuration
from spl_tf.experiment.arms import Arm
from spl_tf.experiment.resumable import Clips, Json, run_step
from spl_tf.experiment.runner import Runner
from spl_tf.experiment.sets import make_target
from spl_tf.experiment.tasks import networks_forgotten, train
from spl_tf.inference.stage_folder import require_whole
from spl_tf.labels import predictions as prediction_files
from spl_tf.labels import sidecar_files
from spl_tf.labels.classes import read_classes
from spl_tf.labels.noise import flip_uniformly
from spl_tf.models.inflation import inflate
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.transfer import read_backbone_weights, save_backbone_weights
from spl_tf.training.stage import train_stage
from tools.study import manifests
from tools.study.truth import clip_truths
from tools.study.variants import FRAMES


@dataclasses.dataclass(frozen=True)
class PartOfTarget:
    """Trains a teacher on a share of the target set, drawn by the seed."""

    share: float

    def __call__(self, runner: Runner, arm: Arm, seed: int, folder: pathlib.Path) -> pathlib.Path:
        sets = runner.sets
        lists = sets.lists(arm)
        part = folder / "target.csv"
        manifests.write(part, manifests.draw_share(manifests.read(lists.target), self.share, seed))
        return make_target(part, folder / "target", classes=lists.classes, fps=sets.fps, short_side=sets.short_side)


@dataclasses.dataclass(frozen=True)
class Relabelled:
    """The same predictions beside weak labels of which the wanted share is right, every clip drawn by itself."""

    right: float

    def __call__(
        self, runner: Runner, arm: Arm, seed: int, predictions: pathlib.Path, folder: pathlib.Path
    ) -> pathlib.Path:
        identity = {"predictions": prediction_files.index_digest(predictions), "right": str(self.right)}

        def action() -> Json:
            source = prediction_files.open_predictions(predictions)
            tables = [read_sidecar(source.path(shard)) for shard in source.shards]
            truths = truths_of(runner, arm, [clip_id for table in tables for clip_id in table["clip_id"]])
            weak = flip_uniformly(truths, self.right, len(source.classes), np.random.default_rng(seed))
            ends = np.cumsum([len(table["clip_id"]) for table in tables])[:-1]
            for (shard, header), table, labels in zip(source.shards.items(), tables, np.split(weak, ends), strict=True):
                sidecar_files.write_predictions(
                    folder / f"{shard}.parquet",
                    clip_ids=table.pop("clip_id"),
                    **table | {"weak": labels},
                    shard_fingerprint=header.shard_fingerprint,
                    made_by=header.made_by,
                )
            made_by = next(iter(source.shards.values())).made_by
            prediction_files.write_index(dataclasses.replace(source, folder=folder), made_by)
            return {"clips": source.num_clips}

        run_step(folder, identity, action, outputs=["predictions.json"], kind=Clips)
        return folder


def inflated_frames(runner: Runner, arm: Arm, seed: int) -> pathlib.Path:
    """Weights of a network trained on single web frames with their weak labels, inflated."""
    weak = next(other for other in runner.arms if other.name == "weak")
    labels = runner.pretrained(weak, seed) / "labels"
    folder = runner.output_dir / "frames" / f"seed{seed}"
    with runner.hold(folder):
        with configuration.overridden(FRAMES.bindings):
            train("pretrain", folder / "images", seed, train_shards=runner.sets.web(weak), labels_dir=labels)
        images = folder / "images" / "backbone.weights.h5"

        def action() -> Json:
            with networks_forgotten(), gin.config_scope("pretrain"):
                backbone = gin.get_bindings(train_stage).get("backbone", resnet3d)()
                inflate(backbone, read_backbone_weights(images))
                save_backbone_weights(backbone, folder / "clips" / images.name)
            return {}

        identity = {"images": require_whole(images)}
        run_step(folder / "clips", identity, action, outputs=[images.name], kind=dict[str, float])
    return folder / "clips" / images.name


def truths_of(runner: Runner, arm: Arm, clip_ids: list[str]) -> np.ndarray:
    """What web clips really show, int [n]."""
    lists = runner.sets.lists(arm)
    # Lists of a part of the web set lie elsewhere, with no truth of their own.
    truth = pathlib.Path(lists.classes).with_name("web_truth.csv")
    return clip_truths(clip_ids, truth, read_classes(lists.classes), runner.sets.web_clip_seconds)


def read_sidecar(path: pathlib.Path) -> dict[str, np.ndarray | list[str]]:
    """The columns of a small side-car."""
    columns = pq.read_table(path).to_pydict()
    return {name: values if name == "clip_id" else np.array(values) for name, values in columns.items()}
