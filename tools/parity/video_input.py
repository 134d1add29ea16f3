"""Reads our shards by TF Model Garden's input of videos, and Model Garden's shards by ours.

Needs tf-models-official, in an environment of its own: nox -s parity

  python -m tools.parity.video_input --results=results/video_input.csv

spl_tf.shard makes shards of folders of pictures, one label and several a clip; `official.vision`'s task of video
classification reads them with its own reader, decoder and parser, for evaluation and for training. Then Model Garden's
writer of test examples makes shards, plain and compressed, which spl_tf.index describes. In all of them the frames and
labels of both inputs are compared: those of every clip, all its frames, the middle window. Model Garden decodes JPEG by
TensorFlow's default inverse DCT, ours as OpenCV does; values differ by up to 3, pixels by a few more once colours are
made of them. Exit code 1 where pixels differ by more than 8 of 255, or labels at all.
"""

import csv
import importlib.metadata
import pathlib
import tempfile
from collections.abc import Sequence

import cv2
import numpy as np
import tensorflow as tf
from absl import flags
from official.vision.configs import video_classification as configs
from official.vision.dataloaders import tfexample_utils
from official.vision.tasks.video_classification import VideoClassificationTask

from spl_tf import command, files
from spl_tf.data.building.shards import write_shards
from spl_tf.data.dataset import ClipDataset
from spl_tf.data.indexing.index_shards import index_shards
from spl_tf.data.indexing.keys import record_keys
from spl_tf.data.input.pipeline import evaluation_clips

FLAGS = flags.FlagValues()
flags.DEFINE_string("results", None, "CSV file the result is written to.", flag_values=FLAGS)

TOLERANCE = 8  # Of 255: between pixels by TensorFlow's two inverse DCTs.
CLASSES = ("run", "jump", "swim")
NUM_FRAMES, CROP_SIZE, SHORT_SIDE = 8, 64, 96
_PACKAGES = ("tf-models-official", "tensorflow", "tf_keras", "numpy")


def write_ours(folder: pathlib.Path, labels: Sequence[str]) -> ClipDataset:
    """Shards of spl_tf.shard: a clip a label, of smooth pictures of 128 x 96 pixels."""
    random = np.random.default_rng(0)
    rows = ["path,label,fps"]
    for number, label in enumerate(labels):
        pictures = folder / f"v{number}"
        pictures.mkdir(parents=True)
        for frame in range(NUM_FRAMES):
            small = random.integers(0, 256, (6, 8, 3), np.uint8)
            large = cv2.resize(small, (128, SHORT_SIDE), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(pictures / f"{frame + 1:05d}.png"), large)
        rows.append(f"{pictures.name},{label},25")
    (folder / "list.csv").write_text("\n".join(rows) + "\n")
    options = {"clip_seconds": 0.0, "fps": 25.0, "short_side": SHORT_SIDE, "num_shards": 2, "keep_duplicates": True}
    return write_shards(folder / "list.csv", folder / "shards", classes=CLASSES, **options)


def write_theirs(folder: pathlib.Path, compressed: bool) -> ClipDataset:
    """Shards of Model Garden's writer of test examples, whose clips have four frames, and our index of them."""
    folder.mkdir()
    for shard in range(2):
        # Its pictures are a ramp, another one for each width.
        examples = [
            tfexample_utils.make_video_test_example((120, 160 + 7 * (3 * shard + clip), 3), label=(shard + clip) % 3)
            for clip in range(3)
        ]
        kind = "tfrecords_gzip" if compressed else "tfrecord"
        tfexample_utils.dump_to_tfrecord(str(folder / f"clips-{shard:05d}-of-00002"), examples, kind)
    return index_shards(str(folder / "clips-*"), folder / "D", classes=CLASSES, keys=record_keys(), fps=25.0)


def read_theirs(dataset: ClipDataset, num_frames: int, training: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Frames [clips, T, S, S, 3] in 0..255 and labels [clips, N] as Model Garden's task reads them.

    In training mode the clips are shuffled and cut at random.
    """
    compressed = dataset.foreign is not None and bool(dataset.foreign.compression)
    data = configs.DataConfig(
        input_path=[shard.path for shard in dataset.shards],
        file_type="tfrecord",
        num_classes=len(CLASSES),
        feature_shape=(num_frames, CROP_SIZE, CROP_SIZE, 3),
        min_image_size=dataset.short_side,
        is_training=training,
        drop_remainder=False,
        global_batch_size=dataset.num_clips,
    )
    task = VideoClassificationTask(configs.VideoClassificationTask(train_data=data, validation_data=data))
    if compressed:
        # Its task opens no compressed files itself; users of them pass the reader.
        task._get_dataset_fn = lambda params: lambda paths: tf.data.TFRecordDataset(paths, compression_type="GZIP")
    features, labels = next(iter(task.build_inputs(data)))
    return features["image"].numpy() * 255, labels.numpy()


def read_ours(dataset: ClipDataset, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of our input."""
    batches = evaluation_clips(
        dataset, batch_size=dataset.num_clips, num_frames=num_frames, frame_stride=1, crop_size=CROP_SIZE
    )
    (batch,) = batches.as_numpy_iterator()
    labels = [[int(label) for label in text.decode().split(",")] for text in batch["labels"]]
    return batch["clips"].astype(np.float64), np.stack([np.eye(len(CLASSES))[own].sum(axis=0) for own in labels])


def compare(dataset: ClipDataset, num_frames: int) -> tuple[float, bool]:
    """The largest difference of a pixel, and whether all labels are equal, in evaluation and as training sees them."""
    (our_frames, our_labels), (frames, labels) = read_ours(dataset, num_frames), read_theirs(dataset, num_frames)
    # Model Garden reads several files at once, in turns: each of its clips is compared with the nearest of ours.
    distances = np.abs(our_frames[:, None] - frames[None]).max(axis=(2, 3, 4, 5))
    nearest = distances.argmin(axis=0)
    same_clips = sorted(nearest) == list(range(dataset.num_clips))
    # Of clips cut at random only the labels are known; a batch may hold one twice.
    cut, drawn = read_theirs(dataset, num_frames, training=True)
    known = {tuple(row) for row in our_labels}
    is_input = cut.shape == frames.shape and bool(np.isfinite(cut).all()) and {tuple(row) for row in drawn} <= known
    equal = same_clips and is_input and np.array_equal(our_labels[nearest], labels)
    return float(distances.min(axis=0).max()), equal


def main() -> int:
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in _PACKAGES)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        sets = {
            "spl_tf.shard, one label a clip": (write_ours(folder / "single", CLASSES * 2), NUM_FRAMES),
            "spl_tf.shard, several": (write_ours(folder / "several", ("run|swim", "jump", "swim|jump")), NUM_FRAMES),
            "Model Garden's tfexample_utils": (write_theirs(folder / "plain", compressed=False), 4),
            "the same, GZIP": (write_theirs(folder / "gzip", compressed=True), 4),
        }
        for name, (dataset, num_frames) in sets.items():
            difference, equal = compare(dataset, num_frames)
            rows.append([name, dataset.num_clips, f"{difference:.1f}", "equal" if equal else "differ", versions])
            print(f"{name}: {dataset.num_clips} clips, pixels differ by {difference:.1f} of 255, labels {rows[-1][3]}")
    if FLAGS.results:
        with files.atomic_path(FLAGS.results) as path, open(path, "w", newline="") as opened:
            header = ["shards", "clips", "largest_difference_of_255", "labels", "versions"]
            csv.writer(opened, lineterminator="\n").writerows([header, *rows])
    return 0 if all(float(row[2]) <= TOLERANCE and row[3] == "equal" for row in rows) else 1


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
