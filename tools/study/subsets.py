"""A part of a clean set, drawn evenly from its classes."""

import collections
import csv
import pathlib

import numpy as np

from spl_tf import files


def write_subset(manifest: pathlib.Path, path: pathlib.Path, share: float, seed: int) -> pathlib.Path:
    """Writes a manifest with the wanted share of every class' videos; a smaller share is part of a larger one.

    Args:
      manifest: path,label; paths relative to it.
      path: the new manifest.
      share: in (0, 1]; the count is rounded, at least one video a class.
      seed: of the draw.

    Returns:
      `path`.
    """
    with open(manifest, newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    of_class = collections.defaultdict(list)
    for number, row in enumerate(rows):
        of_class[row["label"]].append(number)
    generator = np.random.default_rng(seed)
    kept = set()
    for numbers in of_class.values():
        kept.update(generator.permutation(numbers)[: max(1, round(share * len(numbers)))].tolist())
    with files.atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, ["path", "label"])
        writer.writeheader()
        for number in sorted(kept):
            video = (manifest.parent / rows[number]["path"]).resolve()
            writer.writerow({"path": video, "label": rows[number]["label"]})
    return path
