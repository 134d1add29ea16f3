"""What `spl_tf.inspect` prints of a folder of shards, of predictions of its clips, and of labels made from them."""

import collections
import datetime
from collections.abc import Sequence

import numpy as np

from spl_tf.data.building.finishing import REJECTED_FILE
from spl_tf.data.dataset import ClipDataset
from spl_tf.data.sidecars import LabelledCells
from spl_tf.data.survey import Survey
from spl_tf.data.verify import Report
from spl_tf.inspection.sheets import LIST_FILE, Sheets
from spl_tf.labels.confusion import noise_ratio
from spl_tf.text_tables import aligned_table

_CELLS_SHOWN = 20
_SIZES_SHOWN = 3
_BAR = 40


def contents(dataset: ClipDataset, seen: Survey) -> str:
    """Totals, rejected rows and clips per class. Lengths are estimated where not all heads were read."""
    megabytes = sum(shard.num_bytes for shard in dataset.shards) / 1e6
    rows = [
        ("clips", f"{dataset.num_clips:,} in {len(dataset.shards):,} shards, {megabytes:,.1f} MB"),
        ("videos", f"{dataset.num_videos:,}"),
        *_lengths(dataset, seen),
    ]
    rejected = sum(dataset.rejected.values())
    rows.append(("rejected", f"{rejected:,} rows" + (f", see {REJECTED_FILE}" if rejected else "")))
    rows += [("", f"{reason}: {count:,}") for reason, count in dataset.rejected.items()]
    most = max(1, *dataset.clips_per_class.values())
    classes = [
        (name, f"{count:,}", "#" * round(_BAR * count / most)) for name, count in dataset.clips_per_class.items()
    ]
    several = ", a clip of several classes counts for each" if dataset.multi_label else ""
    text = f"{dataset.folder}\n{aligned_table(rows, '<<')}\n\nClips per class{several}\n{aligned_table(classes, '<><')}"
    if seen.unreadable:
        text += f"\n\n{seen.unreadable:,} records can't be read: {_verify_command(dataset)} names them"
    return text


def _lengths(dataset: ClipDataset, seen: Survey) -> list[tuple[str, str]]:
    """Rows about time and frames; none when no head could be read."""
    heads = seen.heads
    if not heads:
        return []
    scale = dataset.num_clips / len(heads)
    seconds = scale * sum(head.seconds for head in heads)
    about = f"about, by {len(heads):,} clips: " if scale > 1 else ""
    frames = sorted(head.num_frames for head in heads)
    median = f" to {frames[-1]:,}, median {frames[len(frames) // 2]:,}" if frames[0] < frames[-1] else ""
    sizes = collections.Counter(f"{head.width} x {head.height}" for head in heads).most_common()
    shown = ", ".join(f"{size} ({count / len(heads):.0%})" for size, count in sizes[:_SIZES_SHOWN])
    more = f" and {len(sizes) - _SIZES_SHOWN:,} more" if len(sizes) > _SIZES_SHOWN else ""
    if frames[-1] == 1:  # Images.
        return [("image size", shown + more)]
    return [
        ("video time", f"{about}{seconds:,.1f} s ({datetime.timedelta(seconds=round(seconds))})"),
        ("frames a clip", f"{frames[0]:,}{median}, {dataset.fps:g} a second"),
        ("frame size", shown + more),
    ]


def weak_and_teacher(confusion: np.ndarray, classes: Sequence[str], labelled: LabelledCells | None) -> str:
    """Noise ratio and largest cells of the confusion matrix, int [N, N], and what became of every weak label's clips.

    Args:
      confusion: rows weak labels, columns predictions.
      classes: the N class names.
      labelled: what labelling made of the clips.
    """
    return f"\n\n{_cells(confusion, classes)}\n\n{_weak_classes(confusion, classes, labelled)}"


def _cells(confusion: np.ndarray, classes: Sequence[str]) -> str:
    filled, total = int(np.count_nonzero(confusion)), int(confusion.sum())
    rows = [("weak label", "teacher's prediction", "clips", "")]
    for cell in np.argsort(-confusion, axis=None, kind="stable")[: min(filled, _CELLS_SHOWN)]:
        weak, teacher = divmod(int(cell), len(classes))
        count = int(confusion[weak, teacher])
        rows.append((classes[weak], classes[teacher], f"{count:,}", f"{count / total:.1%}"))
    which = f"the {len(rows) - 1} largest of {filled:,}" if filled > _CELLS_SHOWN else f"all {filled}"
    heading = f"Weak label x teacher's prediction: noise ratio {noise_ratio(confusion):.1%}; {which} cells with clips"
    return f"{heading}\n{aligned_table(rows, '<<>>')}"


def _weak_classes(confusion: np.ndarray, classes: Sequence[str], labelled: LabelledCells | None) -> str:
    heading, title = ["weak label", "clips", "agree"], "Clips per weak label"
    columns = [confusion.sum(axis=1), np.diag(confusion)]
    if labelled:
        heading += ["kept", "merged", "discarded"]
        title += f", and what {labelled.strategy} made of them (the merged are among the kept)"
        columns += [counts.sum(axis=1) for counts in (labelled.kept, labelled.merged, labelled.discarded)]
    # A last row for all classes.
    table = np.stack([np.append(column, column.sum()) for column in columns], axis=1)
    rows = [heading]
    for name, (clips, agree, *others) in zip([*classes, "all"], table.tolist(), strict=True):
        rows.append([name, f"{clips:,}", f"{agree / clips:.1%}" if clips else "-", *(f"{count:,}" for count in others)])
    return f"{title}\n{aligned_table(rows, '<' + '>' * (len(heading) - 1))}"


def drawn(dataset: ClipDataset, sheets: Sheets, by_heads: Survey | None, left_out: str) -> str:
    """What the contact sheets show and what they do not.

    Args:
      dataset: what was drawn from.
      sheets: what was written.
      by_heads: where the records' own labels told the classes; None where side-cars did.
      left_out: classes or cells without a row, empty for none.
    """
    first, last = sheets.paths[0], sheets.paths[-1]
    pages = f"{first} to {last.name}" if last != first else str(first)
    lines = [f"{sheets.num_clips:,} clips on {pages}, listed in {LIST_FILE}"]
    if by_heads and by_heads.num_shards < len(dataset.shards):
        lines.append(f"drawn from {by_heads.num_shards:,} of {len(dataset.shards):,} shards")
    if left_out:
        lines.append(f"{left_out} have no row: raise --rows to see them")
    if sheets.unreadable:
        lines.append(f"{sheets.unreadable:,} drawn clips can't be read: {_verify_command(dataset)} names their records")
    if sheets.no_glyph:
        lines.append(f"no installed font has {sheets.no_glyph[:20]}: install one, e.g. fonts-noto-cjk")
    return "\n".join(lines)


def verification(report: Report) -> str:
    """The verify report without its table of classes: `contents` has shown them, and a difference is a fault."""
    return "\n".join(["Verification", *str(report).splitlines()[len(report.clips_per_class) :]])


def _verify_command(dataset: ClipDataset) -> str:
    return f"python -m spl_tf.shard --verify={dataset.folder}"
