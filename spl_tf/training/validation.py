"""Scores of the validation clips, each host's share by itself."""

import keras
import numpy as np
import tensorflow as tf

from spl_tf.data.dataset import ClipDataset
from spl_tf.hardware.hosts import Hosts
from spl_tf.inference.evaluation import average_videos
from spl_tf.inference.scores import score_clips
from spl_tf.inference.trained_model import ClipInput
from spl_tf.metrics.video_scores import VideoScores


def score_videos(
    network: keras.Model,
    dataset: ClipDataset,
    clip_input: ClipInput,
    strategy: tf.distribute.Strategy,
    hosts: Hosts,
    *,
    batch_size: int,
    num_views: int,
    target: str,
) -> VideoScores | None:
    """Scores every video of a data set on all hosts together, for the first one; None on others. See `score_clips`.

    A host scores every so many-th shard: with fewer shards than hosts, some have nothing to do.
    """
    own = range(hosts.number, len(dataset.shards), hosts.count)
    clips = score_clips(
        network,
        dataset,
        clip_input,
        strategy,
        batch_size=-(-batch_size // hosts.count),
        num_views=num_views,
        target=target,
        description="evaluate",
        shards=own,
        is_shown=hosts.is_first,
    )
    videos = average_videos(clips if own else ())
    sums = {video: total.tobytes() for video, total in videos.sums.items()} if not hosts.is_first else {}
    said = hosts.collect({"sums": sums, "counts": videos.counts, "labels": videos.labels})
    if said is None:
        return None
    for theirs in said[1:]:
        videos.merge(
            VideoScores(
                {video: np.frombuffer(total, np.float64) for video, total in theirs["sums"].items()},
                dict(theirs["counts"]),
                {video: tuple(labels) for video, labels in theirs["labels"].items()},
            )
        )
    return videos
