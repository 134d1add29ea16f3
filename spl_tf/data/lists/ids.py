"""Ids of uploads and of their parts, where a list gives none."""

import collections
import math
import os
from collections.abc import Collection, Sequence


def ids_of_paths(paths: Sequence[str], given: Collection[str]) -> dict[str, str]:
    """An id per path: the shortest of its forms that no other path shares and no list gave to another upload.

    Args:
      paths: as the list has them.
      given: ids that are taken.
    """
    taken = set(given)
    ids: dict[str, str] = {}
    pending = list(dict.fromkeys(paths))
    for form in (_stem, _without_suffix):
        counts = collections.Counter(map(form, pending))
        found = {path: form(path) for path in pending if counts[form(path)] == 1 and form(path) not in taken}
        taken.update(found.values())
        ids.update(found)
        pending = [path for path in pending if path not in found]
    return ids | {path: path if path not in taken else f"{path}#" for path in pending}


def segment_id(upload: str, start_seconds: float, end_seconds: float) -> str:
    """`v7#1.5-4` for seconds 1.5 to 4 of v7, `v7#4-` up to its end."""
    end = "" if math.isinf(end_seconds) else _short(end_seconds)
    return f"{upload}#{_short(start_seconds)}-{end}"


def _short(seconds: float) -> str:
    """Microseconds are the finest that clips are cut by."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _without_suffix(path: str) -> str:
    return os.path.splitext(path)[0]
