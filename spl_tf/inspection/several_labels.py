"""What a multi-label set is like: labels of a video, the long tail of its classes, classes that occur together."""

import collections
import itertools
import pathlib
from collections.abc import Sequence

import numpy as np

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.survey import ClipHead, Survey
from spl_tf.labels.figures import long_tail_figure, save_figure
from spl_tf.text_tables import aligned_table

LONG_TAIL_FILE = "long_tail.png"

_PAIRS_SHOWN = 20
_BAR = 40
# More numbers of labels than these are shown in ranges of equal width.
_MOST_BARS = 20


def several_labels(dataset: ClipDataset, seen: Survey) -> str:
    """Three tables; the first and the last are of the videos whose heads were read."""
    videos = labels_of_videos(seen.heads, dataset.num_classes)
    if not videos:
        return ""
    parts = [
        _labels_per_video(videos, dataset),
        _long_tail(dataset) + _rarity(seen.heads, dataset),
        _together(videos, dataset.classes),
    ]
    return "\n\n" + "\n\n".join(parts)


def labels_of_videos(heads: Sequence[ClipHead], num_classes: int) -> list[tuple[int, ...]]:
    """The class ids of every video, ascending; its clips have the same."""
    labels = {head.video_id: head.labels for head in heads}
    return [tuple(sorted({label for label in own if 0 <= label < num_classes})) for own in labels.values()]


def count_pairs(videos: Sequence[Sequence[int]]) -> collections.Counter[tuple[int, int]]:
    """Videos that have both classes, by pairs of ascending class ids."""
    return collections.Counter(pair for labels in videos for pair in itertools.combinations(labels, 2))


def draw_long_tail(dataset: ClipDataset, folder: pathlib.Path) -> pathlib.Path:
    """Draws the clips of every class, by falling number."""
    counts = np.array(list(dataset.clips_per_class.values()))
    title = f"{dataset.num_clips:,} clips with {int(counts.sum()):,} labels of {len(counts):,} classes"
    path = folder / LONG_TAIL_FILE
    save_figure(long_tail_figure(counts, dataset.classes, np.ones(len(counts), bool), title), path)
    return path


def _labels_per_video(videos: Sequence[Sequence[int]], dataset: ClipDataset) -> str:
    sizes = np.array([len(labels) for labels in videos])
    width = -(-int(sizes.max() - sizes.min() + 1) // _MOST_BARS)
    counts = collections.Counter(((sizes - sizes.min()) // width).tolist())
    rows = []
    for place in range(max(counts) + 1):
        first = int(sizes.min()) + place * width
        name = f"{first:,}" if width == 1 else f"{first:,} to {first + width - 1:,}"
        rows.append((name, f"{counts[place]:,}", "#" * round(_BAR * counts[place] / max(counts.values()))))
    some = f" of {dataset.num_videos:,}" if len(videos) < dataset.num_videos else ""
    heading = (
        f"Labels per video, {len(videos):,} videos{some}: mean {sizes.mean():.2f}, median {np.median(sizes):g}, "
        f"{sizes.min():,} to {sizes.max():,}"
    )
    return f"{heading}\n{aligned_table(rows, '>><')}"


def _long_tail(dataset: ClipDataset) -> str:
    counts = np.sort(list(dataset.clips_per_class.values()))[::-1]
    filled, total = counts[counts > 0], int(counts.sum())
    # How many of the largest classes hold a share of all labels.
    held = {share: int(np.searchsorted(np.cumsum(counts), share * total)) + 1 for share in (0.5, 0.9)}
    rows = [
        ("classes with clips", f"{len(filled):,} of {len(counts):,}"),
        ("clips of the largest, the median, the smallest", f"{filled[0]:,}, {np.median(filled):g}, {filled[-1]:,}"),
        *((f"largest classes with {share:.0%} of the labels", f"{number:,}") for share, number in held.items()),
        *((f"classes of at most {most:,} clips", f"{np.count_nonzero(filled <= most):,}") for most in (1, 10, 100)),
    ]
    return f"Long tail, {total:,} labels of {dataset.num_clips:,} clips\n{aligned_table(rows, '<<')}"


def _rarity(heads: Sequence[ClipHead], dataset: ClipDataset) -> str:
    """What the distribution-balanced loss weighs a class by, see `spl_tf.losses.distribution_balanced`."""
    rarity = 1.0 / np.maximum(list(dataset.clips_per_class.values()), 1)
    of_clips = (rarity[[label for label in {*head.labels} if 0 <= label < len(rarity)]] for head in heads)
    shares = np.concatenate([np.zeros(0), *(own / own.sum() for own in of_clips if own.size)])
    if not shares.size:
        return ""
    return (
        "\nShare of a class in the summed rarities (1 / clips) of its clip's classes: "
        f"median {np.median(shares):.3g}, mean {shares.mean():.3g} (distribution_balanced.mu lies between)"
    )


def _together(videos: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """The pairs of classes that most more videos have than chance alone would give them."""
    pairs = count_pairs(videos)
    if not pairs:
        return "No two classes occur together"
    alone = collections.Counter(label for labels in videos for label in labels)
    by_chance = {(one, other): alone[one] * alone[other] / len(videos) for one, other in pairs}
    order = sorted(pairs, key=lambda pair: (by_chance[pair] - pairs[pair], pair))[:_PAIRS_SHOWN]
    rows = [("class", "class", "videos", "by chance", "of the rarer")]
    for pair in order:
        first, second = pair
        share = pairs[pair] / min(alone[first], alone[second])
        rows.append((classes[first], classes[second], f"{pairs[pair]:,}", f"{by_chance[pair]:,.1f}", f"{share:.0%}"))
    which = (
        f"the {len(order)} farthest beyond chance of {len(pairs):,}" if len(pairs) > len(order) else f"all {len(pairs)}"
    )
    return f"Pairs of classes that occur together: {which}\n{aligned_table(rows, '<<>>>')}"
