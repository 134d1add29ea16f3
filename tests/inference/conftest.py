"""A small trained network shared by the tests of inference, and its scores computed without the pipeline."""

import functools
import json
import pathlib
import shutil

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from spl_tf import files
from spl_tf.data.dataset import load_dataset
from spl_tf.data.record import clip_from_bytes, clip_to_bytes
from spl_tf.inference.trained_model import load_trained, save_trained
from spl_tf.labels.sidecar_files import ids_digest
from tests.trained_teacher import train_teacher


@pytest.fixture(scope="session")
def trained_dir(color_shards, tiny_resnet_bindings, tmp_path_factory) -> pathlib.Path:
    """Folder of a teacher trained for a few steps on the target colours, in float32."""
    return train_teacher(tmp_path_factory.mktemp("trained") / "teacher", color_shards / "target", tiny_resnet_bindings)


@pytest.fixture(scope="session")
def broken_teacher(colour_teacher, tmp_path_factory) -> pathlib.Path:
    """`colour_teacher`, but the scores of clips with much red are NaN: a logit of theirs is infinite."""
    trained = load_trained(colour_teacher)
    kernel, bias = trained.network.get_layer("logits").get_weights()
    kernel[0, 0] = np.finfo(np.float32).max
    trained.network.get_layer("logits").set_weights([kernel, bias])
    folder = tmp_path_factory.mktemp("broken_teacher")
    save_trained(folder, trained.network, trained.classes, trained.clip_input)
    return folder


@functools.cache
def _records_by_hand(network_path, folder, clip_input, num_views=1):
    """One record, one view, one frame at a time through the network as it was trained (not folded).

    Returns:
      A list of (shard, row, clip id, video id, labels, scores float64 [N], features float64 [C]).
    """
    network = tf.function(keras.models.load_model(network_path, compile=False))
    size, reach = clip_input.crop_size, (clip_input.num_frames - 1) * clip_input.frame_stride + 1
    rows = []
    for position, shard in enumerate(load_dataset(folder).shards):
        for row, record in enumerate(tf.data.TFRecordDataset(shard.path).as_numpy_iterator()):
            clip = clip_from_bytes(record)
            y, x = (clip.height - size) // 2, (clip.width - size) // 2
            room = len(clip.frames) - reach
            assert room >= 0, "looping short clips is the pipeline's matter"
            starts = (
                [room // 2] if num_views == 1 else [int(room * v / (num_views - 1) + 0.5) for v in range(num_views)]
            )
            scores, features = [], []
            for start in starts:
                frames = [clip.frames[start + i * clip_input.frame_stride] for i in range(clip_input.num_frames)]
                pictures = [cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR) for frame in frames]
                pixels = np.stack([picture[y : y + size, x : x + size, ::-1] for picture in pictures])
                outputs = network(((pixels / 255 - 0.45) / 0.225).astype(np.float32)[None])
                logits = outputs["logits"].numpy()[0]
                features.append(outputs["features"].numpy()[0])
                powers = np.exp(logits.astype(np.float64) - logits.max())
                scores.append(powers / powers.sum())
            means = np.mean(scores, axis=0), np.mean(features, axis=0)
            rows.append((position, row, clip.clip_id, clip.video_id, clip.labels, *means))
    return rows


@pytest.fixture(scope="session")
def records_by_hand():
    return _records_by_hand


def _rewrite_shards(shards, folder, change=None, **entries):
    """Copies a folder of shards with other `dataset.json` entries and, by `change`, other clips in every shard."""
    shutil.copytree(shards, folder)
    description = json.loads((folder / "dataset.json").read_text()) | entries
    if "classes" in entries:
        description["clips_per_class"] = dict.fromkeys(entries["classes"], 0)
    for shard in description["shards"] if change else ():
        path = folder / f"{shard['name']}.tfrecord"
        clips = change([clip_from_bytes(record) for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()])
        with tf.io.TFRecordWriter(str(path)) as writer:
            for clip in clips:
                writer.write(clip_to_bytes(clip))
        digest = ids_digest([clip.clip_id for clip in clips])
        shard |= {"bytes": path.stat().st_size, "fingerprint": files.sha256(path), "ids_digest": digest}
    (folder / "dataset.json").write_text(json.dumps(description))
    (folder / "SHA256SUMS").unlink(missing_ok=True)
    return folder


@pytest.fixture(scope="session")
def rewrite_shards():
    return _rewrite_shards
