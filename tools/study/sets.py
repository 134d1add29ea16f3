"""The sets of videos of the study as shards, and what the truth makes of them."""

import dataclasses
import functools
import pathlib

import gin
import numpy as np
import pyarrow.parquet as pq

from spl_tf import files
from spl_tf.experiment.resumable import Json, run_step
from spl_tf.experiment.tasks import CleanShards, make_shards
from spl_tf.experiment.video_lists import video_folder
from spl_tf.labels import predictions as prediction_files
from spl_tf.labels import sidecar_files
from spl_tf.labels.classes import read_classes
from spl_tf.labels.noise import flip_uniformly
from tools.study import manifests
from tools.study.truth import clip_truths
from tools.study.variants import Variant


class VideoSets:
    """Target, web and test set, cut as the recipe's gin file says.

    Attributes:
      clean: shards of target and test set.
      web: shards of the whole web set.
      classes: names of the N classes.
    """

    def __init__(self, output_dir: pathlib.Path):
        self._folder = output_dir / "shards"
        self._lists = video_folder(output_dir)
        self.classes = read_classes(self._lists.classes)
        self._clip_seconds = gin.query_parameter("recipe.web_clip_seconds")
        self._make = functools.partial(
            make_shards,
            classes=self._lists.classes,
            fps=gin.query_parameter("recipe.fps"),
            short_side=gin.query_parameter("recipe.short_side"),
        )
        self._make_clean = functools.partial(self._make, label_column="label", clip_seconds=0.0, keep_duplicates=True)
        with files.locked(self._folder, "the shards", wait=True):
            self.clean = CleanShards(
                *(
                    self._make_clean(manifest, self._folder / name)
                    for manifest, name in ((self._lists.target, "target"), (self._lists.test, "test"))
                )
            )
        self.web = self.web_of(Variant())

    def web_of(self, variant: Variant) -> pathlib.Path:
        """Shards of the part of the web set that a variant uses."""
        manifest, options = self._lists.web, []
        with files.locked(self._folder, "the shards", wait=True):
            if variant.best_ranked < 1:
                options.append(f"best{100 * variant.best_ranked:g}")
                manifest = self._folder / f"web-{options[0]}.csv"
                manifests.write_best_ranked(self._lists.web, variant.best_ranked, manifest)
            if variant.clips_per_class is not None:
                options.append(f"clips{variant.clips_per_class}")
            return self._make(
                manifest,
                self._folder / "-".join(["web", *options]),
                label_column="query",
                clip_seconds=self._clip_seconds,
                clips_per_class=variant.clips_per_class,
                exclude=[self._lists.test],
            )

    def part_of_target(self, share: float, seed: int, folder: pathlib.Path) -> pathlib.Path:
        """Shards of a share of the target set, drawn by a seed, made in a folder."""
        part = folder / "target.csv"
        manifests.write(part, manifests.draw_share(manifests.read(self._lists.target), share, seed))
        return self._make_clean(part, folder / "target")

    def truths(self, clip_ids: list[str]) -> np.ndarray:
        """What web clips really show, int [n]."""
        truth = pathlib.Path(self._lists.web).with_name("web_truth.csv")
        return clip_truths(clip_ids, truth, self.classes, self._clip_seconds)

    def relabel(self, predictions: pathlib.Path, right: float, seed: int, folder: pathlib.Path) -> pathlib.Path:
        """The same predictions beside weak labels of which the wanted share is right, every clip drawn by itself."""
        identity = {"predictions": files.sha256(predictions / "predictions.json"), "right": str(right)}

        def action() -> Json:
            source = prediction_files.open_predictions(predictions)
            tables = [read_sidecar(source.path(shard)) for shard in source.shards]
            truths = self.truths([clip_id for table in tables for clip_id in table["clip_id"]])
            weak = flip_uniformly(truths, right, len(self.classes), np.random.default_rng(seed))
            ends = np.cumsum([len(table["clip_id"]) for table in tables])[:-1]
            for (shard, header), table, labels in zip(source.shards.items(), tables, np.split(weak, ends), strict=True):
                sidecar_files.write_predictions(
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


def read_sidecar(path: pathlib.Path) -> dict[str, np.ndarray | list[str]]:
    """The columns of a small side-car."""
    table = pq.read_table(path)
    return {
        name: table[name].to_pylist() if name == "clip_id" else table[name].to_numpy() for name in table.column_names
    }
