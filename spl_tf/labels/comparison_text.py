"""The table of `spl_tf.compare`, for a terminal and as rows of a CSV file."""

from typing import Any

from spl_tf.labels.cell_truth import MOST_CLASSES
from spl_tf.labels.comparison import Compared, Comparison
from spl_tf.text_tables import aligned_table

_QUALITIES = ("purity", "bits", "bits_per_clip", "least_kept")


def comparison_text(compared: Comparison) -> str:
    """The table and what it is made from."""
    lines = [f"{compared.clips:,} clips, query and teacher disagree on {compared.noise_ratio:.1%}"]
    if compared.teacher is None:
        lines.append(
            "Expected: nothing, as nobody measured the teacher: give --held_out (of spl_tf.cross_validate), or run "
            "spl_tf.evaluate on it"
        )
    elif compared.right is None:
        lines.append(f"Expected: nothing, as what every cell shows is not kept of more than {MOST_CLASSES} classes")
    else:
        query, teacher = compared.right
        lines += [
            f"Expected, from {compared.teacher}: {query:.1%} of the queries right, {teacher:.1%} of the predictions.",
            "  Clips that show none of the classes are not thought of, and a teacher errs more on web clips than on "
            "clean ones: take the order of the strategies from it, not the height",
        ]
    if compared.listed is not None and compared.listed_right is not None:
        found, missing = compared.listed
        query, teacher = compared.listed_right
        lines.append(
            f"Measured, on {found:,} listed clips: {query:.1%} of the queries right, {teacher:.1%} of the predictions; "
            "95 % intervals over videos"
        )
        if missing:
            lines.append(f"  {missing:,} listed clips are not among the predictions: left out")
    lines += ["", aligned_table(_cells(compared), "<" + ">" * (_num_columns(compared) - 1)), "", _KEY]
    reasons: dict[str, list[str]] = {}
    for name, reason in compared.left_out.items():
        reasons.setdefault(reason, []).append(name)
    lines += [f"Not compared: {', '.join(names)}: {reason}" for reason, names in reasons.items()]
    return "\n".join(lines)


_KEY = """\
  purity     kept clips that show what most clips of their label show
  bits       what the label of a kept clip tells of its class; bits/clip: over all clips, discarded ones tell nothing
  rarest     kept clips of the class that keeps least
  measured   listed clips are foretold by what is expected of their label and by listed clips of other videos, so that
             few clips do not flatter many classes: there is at least so much
  A distribution, or several candidates, counts as a label drawn from it."""


def _num_columns(compared: Comparison) -> int:
    return len(_cells(compared)[0])


def _cells(compared: Comparison) -> list[list[str]]:
    header = ["strategy", "classes", "kept", "purity", "bits", "bits/clip", "rarest"]
    if compared.listed is not None:
        header += ["measured purity", "measured bits", "measured bits/clip"]
    rows = [header]
    for each in compared.rows:
        row = [each.name, f"{each.classes:,}", f"{each.kept:.1%}"]
        if each.expected is None:
            row += ["-"] * 4
        else:
            quality = each.expected
            row += [f"{quality.purity:.1%}", f"{quality.bits:.2f}", f"{quality.bits_per_clip:.2f}"]
            row.append(f"{quality.least_kept:.1%}")
        if compared.listed is not None:
            row += _measured_cells(each)
        rows.append(row)
    return rows


def _measured_cells(each: Compared) -> list[str]:
    if each.measured is None:
        return ["-"] * 3
    purity, bits, per_clip = each.measured.purity, each.measured.bits, each.measured.bits_per_clip
    return [
        f"{purity.value:.1%} [{100 * purity.low:.0f}, {100 * purity.high:.0f}]",
        f"{bits.value:.2f} [{bits.low:.2f}, {bits.high:.2f}]",
        f"{per_clip.value:.2f} [{per_clip.low:.2f}, {per_clip.high:.2f}]",
    ]


def comparison_rows(compared: Comparison) -> list[dict[str, Any]]:
    """A dictionary a strategy, with the same columns for all: empty where a number is not known."""
    rows = []
    for each in compared.rows:
        row: dict[str, Any] = {"strategy": each.name, "target": each.form, "classes": each.classes, "kept": each.kept}
        for name in _QUALITIES:
            row[f"expected_{name}"] = "" if each.expected is None else getattr(each.expected, name)
        for name in _QUALITIES:
            found = None if each.measured is None else getattr(each.measured, name)
            for end, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
                row[f"measured_{name}{suffix}"] = "" if found is None else getattr(found, end)
        rows.append(row)
    return rows
