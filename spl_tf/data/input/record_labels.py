"""The labels that records carry, all of them before training starts."""

import array

import numpy as np

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.survey import read_heads
from spl_tf.errors import UserError
from spl_tf.labels.targets import SEVERAL, SparseTargets


def read_record_labels(dataset: ClipDataset) -> tuple[SparseTargets, np.ndarray]:
    """The labels of every clip and the video it was cut from, by the heads of the records.

    Takes one small read and some ten microseconds a clip, and in memory the ids of the videos while it reads.

    Returns:
      targets of "several", labels in the order in which the record has them; int32 [clips], numbers of the videos.

    Raises:
      UserError: a record has no readable head, or a label that is no class.
    """
    sizes = np.zeros(dataset.num_clips, np.int64)
    videos = np.zeros(dataset.num_clips, np.int32)
    classes = array.array("i")
    numbers: dict[str, int] = {}
    for clip, head in enumerate(read_heads(dataset)):
        own = dict.fromkeys(head.labels)  # Each once.
        if wrong := [label for label in own if not 0 <= label < dataset.num_classes]:
            raise UserError(
                f"{dataset.shards[head.shard].path} record {head.row} has label {wrong[0]}, but there are "
                f"{dataset.num_classes} classes: run {dataset.made_by} again"
            )
        classes.extend(own)
        sizes[clip] = len(own)
        videos[clip] = numbers.setdefault(head.video_id, len(numbers))
    labels = np.array(classes, np.int32)
    kept = np.ones(dataset.num_clips, bool)
    targets = SparseTargets(SEVERAL, np.append(0, np.cumsum(sizes)), labels, np.ones(len(labels), np.float32), kept)
    return targets, videos
