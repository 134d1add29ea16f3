"""Everything that reads a file, each with a small whole folder to begin with."""

import pathlib
import shutil
from collections.abc import Callable

import gin
import h5py
import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spl_tf import checksums, configuration, files
from spl_tf.data.building.plan import Plan, PlannedCut, ShardPlan
from spl_tf.data.building.resume import ShardState
from spl_tf.data.building.stored_plan import StoredPlan, write_plan
from spl_tf.data.dataset import FILE_NAME, load_dataset
from spl_tf.data.indexing.first_look import settings_of
from spl_tf.data.indexing.keys import record_keys
from spl_tf.data.indexing.scan import Fault, Job, scan
from spl_tf.data.manifest import Rejection, Video, read_manifest
from spl_tf.data.verify import verify
from spl_tf.errors import UserError
from spl_tf.experiment.resumable import Clips, run_step
from spl_tf.inference.trained_model import ClipInput, load_trained, read_description, save_trained
from spl_tf.labels import predictions, sidecar_files
from spl_tf.labels.assign import assign_labels
from spl_tf.labels.both_labels import read_both_labels
from spl_tf.labels.classes import read_classes
from spl_tf.labels.label_folder import CELLS, CONFUSION, SUMMARY, read_cells, read_confusion
from spl_tf.labels.several_teachers import combine_teachers
from spl_tf.labels.targets import CANDIDATES
from spl_tf.labels.truth_list import read_truth_list
from spl_tf.losses.correction import forward_correction
from spl_tf.models.transfer import read_backbone_weights
from spl_tf.report.collect import read_right
from spl_tf.report.curves import read_curves
from spl_tf.stored import read_json
from spl_tf.training.outcome import METRICS, Selection, read_metrics
from tools.fuzz import web_readers
from tools.fuzz.reader import Reader, text
from tools.robustness.corrupted_set import NOTES, read_notes

_GOLDEN = pathlib.Path(__file__).parents[2] / "tfrecords_spec/golden"
_SHARD = "web-00000-of-00001"
_CLASSES = ("a", "b", "c")


def _golden(folder: pathlib.Path) -> None:
    shutil.copytree(_GOLDEN, folder, dirs_exist_ok=True)


def _foreign(folder: pathlib.Path) -> None:
    shutil.copy(_GOLDEN / "golden-00001-of-00002.tfrecord", folder / "theirs")


def _scan(folder: pathlib.Path) -> None:
    path = str(folder / "theirs")
    classes = ("archery", "playing piano", "surfing")
    settings = settings_of(
        [path], classes=classes, keys=record_keys(), fps=None, short_side=None, keep_unlabelled=False
    )
    found = scan(Job(path, f"{path}.heads", settings))
    if isinstance(found, Fault):
        raise UserError(found.text)


def _predictions(folder: pathlib.Path) -> None:
    ids = [f"clip {row}" for row in range(30)]
    rows = np.arange(30)
    header = sidecar_files.Header(30, "f", sidecar_files.ids_digest(ids), {"model": "m", "top_k": 2})
    made = predictions.Predictions(folder, _CLASSES, {_SHARD: header})
    sidecar_files.write_predictions(
        made.path(_SHARD),
        clip_ids=ids,
        weak=rows % 3,
        teacher=rows % 2,
        confidence=np.full(30, 0.7),
        top_classes=np.stack([rows % 2, 2 - rows % 2], axis=1),
        top_scores=np.tile([0.7, 0.2], (30, 1)),
        shard_fingerprint="f",
        made_by=header.made_by,
    )
    predictions.write_index(made, header.made_by)


def _read_predictions(folder: pathlib.Path) -> None:
    opened = predictions.open_predictions(folder)
    for batch in sidecar_files.read_predictions(opened.path(_SHARD)):
        pa.Table.from_batches([batch]).validate(full=True)


def _labels(folder: pathlib.Path) -> None:
    _predictions(folder / "P")
    assign_labels(folder / "P", "spl_b", folder)


def _read_labels(folder: pathlib.Path) -> None:
    classes, _ = read_confusion(folder)
    read_cells(folder, len(classes))
    sidecar_files.read_labels(
        folder / f"{_SHARD}.parquet",
        shard_name=_SHARD,
        shard_fingerprint="f",
        ids_digest=sidecar_files.ids_digest([f"clip {row}" for row in range(30)]),
        num_records=30,
        num_classes=6,
    )


def _outside_scores(folder: pathlib.Path) -> None:
    _predictions(folder / "P")
    columns = {"clip_id": [f"clip {row}" for row in range(29, -1, -1)], "scores": [[0.5, 0.3, 0.2]] * 30}
    pq.write_table(pa.table(columns), folder / "s.parquet")


def _read_outside_scores(folder: pathlib.Path) -> None:
    shutil.rmtree(folder / "C", ignore_errors=True)
    combine_teachers([folder / "P"], folder / "C", scores=[folder / "s.parquet"])


def _candidates(folder: pathlib.Path) -> None:
    _predictions(folder / "P")
    assign_labels(folder / "P", "partial", folder)


def _read_candidates(folder: pathlib.Path) -> None:
    targets = sidecar_files.read_labels(
        folder / f"{_SHARD}.parquet",
        shard_name=_SHARD,
        shard_fingerprint="f",
        ids_digest=sidecar_files.ids_digest([f"clip {row}" for row in range(30)]),
        num_records=30,
        num_classes=3,
        form=CANDIDATES,
    ).targets
    targets.clips_per_class(3)


def _model(folder: pathlib.Path) -> None:
    network = keras.Sequential(
        [keras.Input((4, 8, 8, 3)), keras.layers.GlobalAveragePooling3D(), keras.layers.Dense(3)]
    )
    save_trained(folder, network, _CLASSES, ClipInput(4, 1, 8, 8, 25.0))


def _read_network(folder: pathlib.Path) -> None:
    description = folder / "model.json"
    content = description.read_text()
    known = read_description(folder).folded_sha256
    # As whoever damages the one on purpose would: else nothing behind the hash is ever reached.
    description.write_text(content.replace(known, files.sha256(folder / "folded.keras")))
    try:
        load_trained(folder)
    finally:
        description.write_text(content)


def _weights(folder: pathlib.Path) -> None:
    with h5py.File(folder / "backbone.weights.h5", "w") as opened:
        opened.attrs["spl_tf_backbone_format"] = 1
        opened["conv/kernel"], opened["bn/gamma"] = np.ones((3, 2), np.float32), np.ones(2, np.float32)


def _plan(folder: pathlib.Path) -> None:
    video = Video("v.mp4", "v.mp4", "v", (0, 1), ("a", "b"), 0.0, float("inf"), ("q",))
    cuts = (PlannedCut(video, None), PlannedCut(video, (0, 2)))
    rejected = (Rejection("w.mp4", "w", "a", "no label", distance=0.5),)
    write_plan(folder / "plan.jsonl", {"fps": 25.0}, Plan((ShardPlan(_SHARD, cuts),), rejected))


def _read_plan(folder: pathlib.Path) -> None:
    try:
        plan = StoredPlan(folder / "plan.jsonl")
        list(map(plan.shard, plan.num_videos))
        list(plan.rejected_and_noted())
    except (ValueError, RecursionError) as error:  # What `Progress` names the file for.
        raise UserError(repr(error)) from error


def _json(name: str, value: object) -> Callable[[pathlib.Path], object]:
    return lambda folder: files.write_json(folder / name, value)


_STATE = {"records": 3, "videos": 2, "num_bytes": 99, "fingerprint": "f", "ids_digest": "d", "multi_label": False}
_STATE |= {"clips_per_class": [1, 2], "rejected": [{"path": "p", "video_id": "v", "label": "a", "kind": "no label"}]}
_STATE |= {"noted": []}
_CORRUPTED = {"sha256": "d", "num_bytes": 9, "num_flipped": 1, "frames": 20, "fault": ""}
_NOTES = {"settings": {"kind": "random", "probability": 1e-4, "seed": 0}, "videos": {"a/v.mp4": _CORRUPTED}}
_METRICS = {"stage": "teacher", "steps": 9, "clips": 12, "precision": "float32", "seconds": 1.5}
_METRICS |= {"train": {"loss": 0.5}, "evaluations": [{"step": 3, "top_1": 0.5}], "selected_step": 9}


def _array(folder: pathlib.Path) -> None:
    with open(folder / "t.npy", "wb") as opened:
        np.save(opened, np.full((3, 3), 1 / 3))


def _read_transition(folder: pathlib.Path) -> None:
    forward_correction(np.zeros(2, np.int32), np.zeros((2, 3), np.float32), 0.0, transition=folder / "t.npy")


def _events(folder: pathlib.Path) -> None:
    import tensorflow as tf

    with tf.summary.create_file_writer(str(folder)).as_default():
        for step in range(3):
            tf.summary.scalar("train/loss", 0.5, step=step)
    (written,) = folder.glob("events*")
    written.rename(folder / "events.out.tfevents.1")


_GIN = """# A comment.
WIDTH = 0.5
HALF = %WIDTH
resnet3d.width_multiplier = %HALF
resnet3d:
  depth = 18
teacher/train_stage.backbone = @resnet3d
train_stage.profile_steps = [2, 3]
"""
_MANIFEST = "path,label,start,end,video_id\nv.mp4,a,0,3.5,v\nw.mp4,a|b,,,w\n"
_VIDEOS = "video_id,label,prediction\nv,a,a\nw,b,a\n"


def _read_marker(folder: pathlib.Path) -> None:
    run_step(folder / "s", {"epochs": "3"}, lambda: {"clips": 7}, outputs=[], kind=Clips)


def _parse(folder: pathlib.Path) -> None:
    try:
        configuration.parse(["f.gin"], search_path=[str(folder)])
    finally:
        gin.clear_config()


READERS = {
    "dataset": Reader(FILE_NAME, _golden, load_dataset),
    "shard": Reader("golden-00001-of-00002.tfrecord", _golden, verify),
    "foreign_shard": Reader("theirs", _foreign, _scan),
    "predictions_index": Reader("predictions.json", _predictions, _read_predictions),
    "predictions": Reader(f"{_SHARD}.parquet", _predictions, _read_predictions),
    "labels_summary": Reader(SUMMARY, _labels, _read_labels),
    "labels": Reader(f"{_SHARD}.parquet", _labels, _read_labels),
    "candidates": Reader(f"{_SHARD}.parquet", _candidates, _read_candidates),
    "outside_scores": Reader("s.parquet", _outside_scores, _read_outside_scores),
    "truth_list": Reader(
        "t.csv",
        text("t.csv", "clip_id,label\nclip 1,a\nclip 2,\nclip 7,c\n"),
        lambda folder: read_truth_list(folder / "t.csv", _CLASSES),
    ),
    "confusion": Reader(CONFUSION, _labels, _read_labels),
    "cells": Reader(CELLS, _labels, _read_labels),
    "model": Reader("model.json", _model, read_description),
    "network": Reader("folded.keras", _model, _read_network),
    "weights": Reader(
        "backbone.weights.h5", _weights, lambda folder: read_backbone_weights(folder / "backbone.weights.h5")
    ),
    "plan": Reader("plan.jsonl", _plan, _read_plan),
    "shard_note": Reader(
        "n.json", _json("n.json", _STATE), lambda folder: read_json(folder / "n.json", ShardState, "")
    ),
    "metrics": Reader(METRICS, _json(METRICS, _METRICS), read_metrics),
    "evaluations": Reader(
        "evaluations.json", _json("evaluations.json", _METRICS["evaluations"]), lambda f: Selection(f, None).history()
    ),
    "step": Reader("s/step.json", _read_marker, _read_marker),
    "classes": Reader("c.txt", text("c.txt", "a\nb\nc d\n"), lambda folder: read_classes(folder / "c.txt")),
    "both_labels": Reader(
        "b.csv",
        text("b.csv", "label,query\na,a\nb,a\nc,c\n"),
        lambda folder: read_both_labels(folder / "b.csv", _CLASSES),
    ),
    "manifest": Reader(
        "m.csv", text("m.csv", _MANIFEST), lambda folder: read_manifest(folder / "m.csv", _CLASSES, "label")
    ),
    "manifest_lines": Reader(
        "m.jsonl",
        text("m.jsonl", '{"path": "v.mp4", "label": ["a", "b"], "start": 1, "end": 2}\n{"path": "w", "label": "a"}\n'),
        lambda folder: read_manifest(folder / "m.jsonl", _CLASSES, "label"),
    ),
    "transition": Reader("t.npy", _array, _read_transition),
    "test_videos": Reader("test/videos.csv", text("test/videos.csv", _VIDEOS), read_right),
    "corrupted_videos": Reader(
        NOTES, _json(NOTES, checksums.sealed(_NOTES)), lambda folder: read_notes(folder / NOTES)
    ),
    "curves": Reader("events.out.tfevents.1", _events, read_curves),
    "gin": Reader("f.gin", text("f.gin", _GIN), _parse),
} | web_readers.READERS
