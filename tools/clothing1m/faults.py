"""What is wrong with a whole list or file of labels, and how to mend it."""

import collections

from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import UserError
from tools.clothing1m.checks import REPEATED, Rejected, Selection
from tools.clothing1m.image_files import MISSING, ImageFiles
from tools.clothing1m.layout import (
    CLEAN_LABELS,
    LISTS,
    NO_LABEL,
    NOISY_LABELS,
    NOISY_TRAIN,
    Layout,
    counts_from_one,
    normalized,
    read_lines,
)

_SHOWN_CHARACTERS = 100


def require_images(known: Layout, selection: Selection, images: ImageFiles) -> None:
    """Some missing images are usual; a list without a single one is a mistake of another kind.

    Raises:
      UserError: a list has no usable key; with the most frequent reason and the first key that has it.
    """
    without = [name for name in LISTS if not selection.images[name]]
    if not without:
        return
    name = without[0]
    others = f" (nor has {', '.join(without[1:])})" if without[1:] else ""
    rows = [row for row in selection.rejected if row.list_name == name and row.reason != REPEATED]
    if not rows:
        remedy = "put images into folders named by class" if known.paths[name].is_dir() else "write one a line"
        raise UserError(f"{known.paths[name]} has no keys{others}: {remedy}")
    kind, count = collections.Counter(row.kind for row in rows).most_common(1)[0]
    first = next(row for row in rows if row.kind == kind)
    if known.paths[name].is_dir():
        where, remedy = "", "every set needs usable images in folders named by class"
    else:
        lines = enumerate(read_lines(known.paths[name]), 1)
        number = next(number for number, line in lines if line and normalized(line) == first.key)
        where, remedy = f" in line {number}", _remedy(first, known, images)
    raise UserError(
        f"{known.paths[name]} has no usable key{others}: {first.reason} for {_shown(first.key)}{where} "
        f"({count:,} of {len(rows):,} keys): {remedy}"
    )


def notes(known: Layout) -> list[str]:
    """What is suspicious about the labels, one line each."""
    last = len(known.classes)
    return [
        f"{known.paths[name]} has labels {last} and none 0, of {last} classes: do they count from 1?"
        for name, labels in ((CLEAN_LABELS, known.clean_labels), (NOISY_LABELS, known.noisy_labels))
        if counts_from_one(labels, last)
    ]


def _remedy(row: Rejected, known: Layout, images: ImageFiles) -> str:
    if row.kind == MISSING:
        return f"{text(images.path(row.key))} is not there: --data must be the folder that the keys start from"
    path = known.paths[NOISY_LABELS if row.list_name == NOISY_TRAIN else CLEAN_LABELS]
    labels = known.noisy_labels if row.list_name == NOISY_TRAIN else known.clean_labels
    if row.reason == labels.get(row.key, NO_LABEL):
        first = next(filter(None, read_lines(path)), None)
        its_first = "it has none" if first is None else f"the first is {_shown(first)}"
        return f"a line of {path} is '<key> <class id>' with a key as in the list; {its_first}"
    return "every set needs usable images of its own"


def _shown(line: str) -> str:
    return repr(text(line)[:_SHOWN_CHARACTERS])
