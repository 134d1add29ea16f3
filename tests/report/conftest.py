"""Folders of finished recipes, written by hand: nothing is trained."""

import csv
import dataclasses
import html.parser
import json
import pathlib

import cv2
import numpy as np
import pytest
import tensorflow as tf

from spl_tf.data.clip import Clip
from spl_tf.data.record import clip_to_bytes
from spl_tf.experiment.sets import WebSet
from spl_tf.experiment.table import Result
from spl_tf.files import write_json
from spl_tf.labels import sidecar_files
from spl_tf.labels.assign import assign_labels
from tests.labels.label_folders import without_figures

_VOID = {"br", "img", "link", "meta"}


@dataclasses.dataclass
class Node:
    """An element of a page: its attributes, its elements, and its own text among theirs."""

    tag: str
    attributes: dict
    children: list = dataclasses.field(default_factory=list)

    def all(self, tag=None, **attributes):
        """Elements below this one, in order, of a tag and with attributes (data_cell for data-cell)."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        found = []
        for child in self.children:
            if isinstance(child, Node):
                if tag in (None, child.tag) and wanted.items() <= child.attributes.items():
                    found.append(child)
                found += child.all(tag, **attributes)
        return found

    def one(self, tag=None, **attributes):
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def text(self):
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def cells(self):
        """Of a table: the texts of every row of its body, by the row's first cell."""
        rows = self.one("tbody").all("tr")
        return {row.attributes["data-row"]: [cell.text for cell in row.children[1:]] for row in rows}


class _Parser(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.root = Node("", {})
        self.open = [self.root]

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes), (tag, attributes)
        node = Node(tag, dict(attributes))
        self.open[-1].children.append(node)
        if tag not in _VOID:
            self.open.append(node)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        self.open[-1].children.append(data)


def _parse(text):
    """The page as a tree; every element is closed where it has to be."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    assert parser.open == [parser.root], [node.tag for node in parser.open]
    return parser.root


@pytest.fixture(scope="session")
def parse():
    return _parse


def _clip(number):
    frames = [cv2.imencode(".jpg", np.full((24, 32, 3), 60 * shade, np.uint8))[1].tobytes() for shade in range(3)]
    times = [0, 100_000, 200_000]
    return Clip(f"clip{number}", f"v{number}", [0], ["x"], 0, 300_000, 10.0, 24, 32, frames, times)


@dataclasses.dataclass
class Made:
    """A recipe's folder in the making.

    Attributes:
      folder: of the recipe.
      results: rows so far.
    """

    folder: pathlib.Path
    results: list = dataclasses.field(default_factory=list)

    def run(self, strategy, right, *, seed=0, round_number=1, seconds=60.0, **of_result):
        """A run with its test videos v0, v1, ..., right or wrong, and the records of its steps."""
        metrics = {"top_1": float(np.mean(right)), "top_5": 1.0}
        metrics |= {name: of_result.pop(name) for name in (*metrics, "mean_average_precision") if name in of_result}
        metrics = {name: value for name, value in metrics.items() if value is not None}
        values = {"classes": 0, "clips": 0, "noise_ratio": None, "samples_cover_ratio": None, "seconds": seconds}
        values |= {"main_metric": "top_1"} | of_result
        self.results.append(
            Result(
                arm=strategy,
                seed=seed,
                round=round_number,
                metrics=metrics,
                web=self.web_set(seed, round_number) if values["classes"] else None,
                **values,
            )
        )
        name = strategy if round_number == 1 else f"{strategy}_round{round_number}"
        folder = self.folder / f"seed{seed}" / name
        self.step(folder / "finetune", seconds)
        self.step(folder / "test", 2.0)
        with open(folder / "test" / "videos.csv", "w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened)
            writer.writerow(["video_id", "label", "prediction", "score_of_label"])
            writer.writerows([f"v{number}", "a", "a" if hit else "b", "0.5"] for number, hit in enumerate(right))
        return folder

    def web_set(self, seed=0, round_number=1):
        """Where the web set of a seed lies, with predictions of its teacher or of a student."""
        of_seed = self.folder / f"seed{seed}"
        predictions = of_seed / ("predictions" if round_number == 1 else f"student{round_number}/predictions")
        return WebSet(self.folder / "shards" / "web", predictions, of_seed / "teacher")

    def step(self, folder, seconds):
        write_json(folder / "step.json", {"identity": {}, "result": {}, "seconds": seconds})

    def trained(self, folder, losses, *, seconds=60.0, **metrics):
        """What a stage leaves: its loss at every step in TensorBoard's file, and its numbers."""
        with tf.summary.create_file_writer(str(folder / "logs")).as_default():
            for step, loss in enumerate(losses, start=1):
                tf.summary.scalar("train/loss", loss, step=step)
        end = {
            "stage": folder.name,
            "selected_step": len(losses),
            "steps": len(losses),
            "clips": 12,
            "precision": "float32",
            "seconds": seconds,
        }
        end |= {"train": {"loss": losses[-1], "accuracy": 0.5}, "evaluations": [], "selected_step": len(losses)}
        write_json(folder / "metrics.json", end | metrics)
        self.step(folder, seconds)

    def web(self, classes, confusion, *, seed=0, confidence=None, records=False):
        """Web shards, without records or with those of real clips, and a teacher's predictions of them."""
        weak, teacher = (ids.repeat(np.ravel(confusion)) for ids in map(np.ravel, np.indices(np.shape(confusion))))
        ids = [f"clip{number}" for number in range(len(weak))]
        name, digest, fingerprint = "web-00000-of-00001", sidecar_files.ids_digest(ids), "print"
        shards, predictions = self.folder / "shards" / "web", self.folder / f"seed{seed}" / "predictions"
        shard = {"name": name, "records": len(weak), "start": 0, "bytes": 0}
        shard |= {"fingerprint": fingerprint, "ids_digest": digest}
        description = {"format_version": 1, "classes": classes, "clips_per_class": dict.fromkeys(classes, 0)}
        description |= {"clip_seconds": 1.0, "fps": 10.0, "short_side": 24, "jpeg_quality": 90, "num_clips": len(weak)}
        description |= {"num_videos": 1, "multi_label": False, "rejected": {}, "shards": [shard]}
        write_json(shards / "dataset.json", description)
        if records:
            with tf.io.TFRecordWriter(str(shards / f"{name}.tfrecord")) as writer:
                for number in range(len(weak)):
                    writer.write(clip_to_bytes(_clip(number)))
        sidecar_files.write_predictions(
            predictions / f"{name}.parquet",
            clip_ids=ids,
            weak=weak,
            teacher=teacher,
            confidence=np.full(len(weak), 0.5) if confidence is None else confidence,
            shard_fingerprint=fingerprint,
        )
        listed = {name: {"fingerprint": fingerprint, "ids_digest": digest, "records": len(weak)}}
        index = {"format_version": 1, "classes": classes, "num_clips": len(weak), "shards": listed}
        write_json(predictions / "predictions.json", index)

    def labels(self, strategy, right, *, seed=0, **options):
        """A run with pre-training, labelled by the package from the predictions of its seed."""
        predictions = self.folder / f"seed{seed}" / "predictions"
        folder = self.folder / f"seed{seed}" / strategy / "labels"
        with without_figures():
            summary = assign_labels(predictions, strategy, folder, **options)
        names = {"classes": "num_classes", "clips": "kept"} | {
            name: name for name in ("noise_ratio", "samples_cover_ratio")
        }
        of_labels = {name: summary[key] for name, key in names.items()}
        return self.run(strategy, right, seed=seed, **of_labels)


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path / "my run")


@pytest.fixture(scope="session")
def data_of():
    """The numbers that a page's script reads, None where there are none."""

    def read(page):
        scripts = page.all("script", id="matrix-data")
        return json.loads(scripts[0].text) if scripts else None

    return read
