"""Grad-CAM over space and time: where a network looks when it decides for a class."""

import pathlib
import re

import cv2
import keras
import numpy as np
import tensorflow as tf
import tqdm

from spl_tf import files
from spl_tf.data.dataset import load_dataset
from spl_tf.data.pipeline import evaluation_clips
from spl_tf.data.preprocessing import normalize
from spl_tf.data.reading import readable
from spl_tf.inference.trained_model import load_trained, require_fitting_data

_FRAMES_SHOWN = 8


def grad_cam(network: keras.Model, clips: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Grad-CAM (Selvaraju et al. 2017) extended to clips, on the last feature map, as in the SPL paper's figure 6.

    The map is ReLU(sum_k w_k A_k), where w_k is the mean over time and space of the gradient
    of the class's logit by A_k; divided by its maximum over the clip.

    Args:
      network: a classifier of `spl_tf.models`, float32.
      clips: float32 [B, T, H, W, 3], normalized.
      classes: int [B].

    Returns:
      float32 [B, T', H', W'] in [0, 1], of the feature map's size; all zero where nothing
      speaks for the class.
    """
    feature_map = network.get_layer("pooling").input
    with_features = keras.Model(network.input, {"map": feature_map, "logits": network.output["logits"]})
    with tf.GradientTape() as tape:
        tape.watch(clips)  # Else nothing is recorded where all weights before the map are frozen.
        outputs = with_features(clips, training=False)
        score = tf.reduce_sum(tf.gather(outputs["logits"], classes, batch_dims=1))
    gradients = tape.gradient(score, outputs["map"])
    weights = tf.reduce_mean(gradients, axis=[1, 2, 3], keepdims=True)
    maps = tf.nn.relu(tf.reduce_sum(weights * outputs["map"], axis=-1))
    return tf.math.divide_no_nan(maps, tf.reduce_max(maps, axis=[1, 2, 3], keepdims=True))


def explain_clips(model_dir: files.Path, shards: files.Path, output_dir: files.Path, *, num_clips: int) -> int:
    """Writes one picture per clip: frames above, the same frames with the map of the predicted class below.

    Args:
      model_dir: folder of a finished stage.
      shards: folder of shards.
      output_dir: gets `<clip id>--<predicted class>.png` files.
      num_clips: explained are the first clips of the data set.

    Returns:
      How many pictures were written.

    Raises:
      UserError: model and data don't fit together.
    """
    trained = load_trained(model_dir)
    dataset = load_dataset(shards)
    require_fitting_data(trained, model_dir, dataset)
    batches = evaluation_clips(
        dataset,
        batch_size=1,
        num_frames=trained.clip_input.num_frames,
        frame_stride=trained.clip_input.frame_stride,
        crop_size=trained.clip_input.crop_size,
    )
    written = 0
    with readable(dataset.folder):
        for batch in tqdm.tqdm(batches.take(num_clips), desc="explain", total=min(num_clips, dataset.num_clips)):
            clips = normalize(batch["clips"])
            classes = tf.argmax(trained.network(clips, training=False)["logits"], axis=-1)
            maps = grad_cam(trained.network, clips, classes)[0].numpy()
            clip_id = batch["clip_id"].numpy()[0].decode()
            name = re.sub(r"[^\w.@-]+", "_", f"{clip_id}--{trained.classes[int(classes[0])]}")
            with files.atomic_path(pathlib.Path(output_dir) / f"{name}.png") as path:
                cv2.imwrite(str(path), _strip(batch["clips"][0].numpy(), maps))
            written += 1
    return written


def _strip(frames: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """BGR picture of a few frames, uint8 [T, H, W, 3] RGB, over the same frames with their maps [T', H', W']."""
    length, height, width = frames.shape[:3]
    columns = []
    for frame in np.unique(np.linspace(0, length - 1, _FRAMES_SHOWN).round().astype(int)):
        picture = np.ascontiguousarray(frames[frame][..., ::-1])
        # The map's own time runs as the clip's does, so its frame is found by proportion.
        own = maps[min(len(maps) - 1, frame * len(maps) // length)]
        heat = cv2.resize((255 * own).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
        overlay = cv2.addWeighted(picture, 0.5, cv2.applyColorMap(heat, cv2.COLORMAP_JET), 0.5, 0)
        columns.append(np.concatenate([picture, overlay]))
    return np.concatenate(columns, axis=1)
