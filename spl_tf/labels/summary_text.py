"""What `spl_tf.label` prints: the summary, the confusion matrix, the queries against chance, the classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spl_tf.labels.predictions import Accuracy
from spl_tf.labels.query_agreement import QueryAgreement, query_agreement
from spl_tf.text_tables import aligned_table

# Up to these, every row is printed.
_MANY_CLASSES = 20
_MANY_LABELS = 40


def report(summary: dict[str, Any], confusion: np.ndarray, teacher: Accuracy | None = None) -> str:
    """The text for a terminal.

    Args:
      summary: what `assign_labels` returned.
      confusion: int [N, N], all clips.
      teacher: how often it is right; None where that is not known.
    """
    classes = summary["source_classes"]
    sections = [_totals(summary)]
    if len(classes) <= _MANY_CLASSES:
        sections.append(_confusion(confusion, classes))
    sections.append(_queries(query_agreement(confusion, classes), teacher))
    sections.append(_classes(summary["class_names"], summary["counts"]))
    return "\n\n".join(sections)


def _totals(summary: dict[str, Any]) -> str:
    clips = summary["clips"]
    rows = [("clips", f"{clips:,}", "")]
    rows += [(name, f"{summary[name]:,}", f"{summary[name] / clips:.1%}") for name in ("kept", "discarded")]
    if summary["merged"]:
        rows.append(("merged", f"{summary['merged']:,}", f"{summary['merged'] / clips:.1%} got their query's class"))
    rows += [
        ("noise ratio", f"{summary['noise_ratio']:.1%}", "query and teacher disagree"),
        ("cover ratio", f"{summary['samples_cover_ratio']:.1%}", "SCR: clips in selected cells"),
    ]
    if "temperature" in summary:
        rows.append(("temperature", f"{summary['temperature']:.2f}", summary["calibration"]))
    note = ""
    if expected := summary.get("expected"):
        known = {name: value for name, value in expected.items() if value is not None}
        if "purity" in known:
            rows += [
                ("purity", f"{known['purity']:.1%}", "expected: kept clips that show what most of their label show"),
                ("bits", f"{known['bits']:.2f}", "expected: what the label of a kept clip tells of its class"),
                ("bits/clip", f"{known['bits_per_clip']:.2f}", "expected: the same over all clips"),
                ("rarest", f"{known['least_kept']:.1%}", "expected: clips kept of the class that keeps least"),
            ]
            note = f"\n  Expected from {expected['from']}; spl_tf.compare has the other strategies"
    threshold = f", teacher confidence at least {summary['min_confidence']}" if summary["min_confidence"] else ""
    heading = f"{summary['strategy']}: {summary['num_classes']:,} classes{threshold}"
    return f"{heading}\n{aligned_table(rows, '<><')}{note}"


def _confusion(confusion: np.ndarray, classes: Sequence[str]) -> str:
    """Columns are headed by class ids: names would not fit."""
    rows = [["", "", *map(str, range(len(classes)))]]
    rows += [[str(index), name, *map(str, confusion[index])] for index, name in enumerate(classes)]
    table = aligned_table(rows, "><" + ">" * len(classes))
    return f"Confusion matrix, clips (rows: query, columns: teacher's prediction)\n{table}"


def _queries(queries: Sequence[QueryAgreement], teacher: Accuracy | None) -> str:
    """All queries when they are few, otherwise only those that the teacher agrees with by chance."""
    flagged = [query for query in queries if query.flagged]
    shown = queries if len(queries) <= _MANY_CLASSES else flagged
    rows = [("query", "clips", "agreement", "chance", "p", "")]
    for query in shown:
        mark = "no clips" if not query.clips else "no more often than by chance" if query.flagged else ""
        row = (f"{query.clips:,}", f"{query.agreement:.1%}", f"{query.chance:.1%}", f"{query.p_value:.2g}", mark)
        rows.append((query.name, *row))
    text = "Queries against chance (teacher sees the class in its clips / in the clips of other queries)\n"
    if shown:
        text += aligned_table(rows, "<>>>><") + "\n"
    text += f"{len(flagged)} of {len(queries)} queries: the teacher agrees with them no more often than by chance"
    if flagged:
        known = f"is right on {teacher}" if teacher else "was not tested where it was trained (spl_tf.evaluate does)"
        text += f"\nThe teacher {known}: what a weak teacher does not see may be in the clips all the same"
    return text


def _classes(names: Sequence[str], counts: Sequence[int]) -> str:
    rows = [(str(index), name, f"{count:,}") for index, (name, count) in enumerate(zip(names, counts, strict=True))]
    if len(rows) <= _MANY_LABELS:
        return f"Clips per class\n{aligned_table(rows, '><>')}"
    rows = [rows[index] for index in np.argsort(-np.asarray(counts), kind="stable")]
    middle = ("", f"... {len(rows) - 20:,} more, see summary.json ...", "")
    return f"Clips per class, largest and smallest\n{aligned_table([*rows[:10], middle, *rows[-10:]], '><>')}"
