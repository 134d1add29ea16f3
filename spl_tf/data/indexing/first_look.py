"""Which files are meant, and what their first records say of them all."""

import glob
import math
import os
from collections.abc import Sequence
from typing import Any

from spl_tf import files
from spl_tf.data.indexing.foreign_record import ForeignClip, foreign_clip, require_keys
from spl_tf.data.indexing.keys import RecordKeys
from spl_tf.data.indexing.scan import Settings, examples, uncompressed
from spl_tf.data.video.errors import UnreadableError
from spl_tf.errors import UserError

_GZIP_BEGIN = b"\x1f\x8b"
_LOOKED_AT = 16  # Files of which the first record is looked at.
_REMEDY = "give the pattern of files that are there"


def matched(pattern: str) -> list[str]:
    """The files of a pattern, in the order of their names.

    Raises:
      UserError: there are none, or they lie in several folders.
    """
    paths = sorted(path for path in glob.glob(pattern) if os.path.isfile(path))
    if not paths:
        more = f": it is a folder, give a pattern, as {os.path.join(pattern, '*')}" if os.path.isdir(pattern) else ""
        raise UserError(f"--records={pattern} matches no file{more}")
    if len({folder_of([path]) for path in paths}) > 1:
        raise UserError(f"--records={pattern} matches files in several folders: index each folder by itself")
    return paths


def folder_of(paths: Sequence[str]) -> str:
    """The real folder of files of one folder."""
    return os.path.realpath(os.path.dirname(paths[0]) or ".")


def settings_of(
    paths: Sequence[str],
    *,
    classes: tuple[str, ...],
    keys: RecordKeys,
    fps: float | None,
    short_side: int | None,
    keep_unlabelled: bool,
) -> Settings:
    """What is given, completed by what the first records say.

    Raises:
      UserError: they have other keys, or don't agree in what is not given; a value is out of range; a file is damaged.
    """
    if (fps is not None and not 0 < fps < math.inf) or (short_side is not None and short_side < 1):
        raise UserError(f"--fps is {fps}, --short_side {short_side}: both must be above 0")
    compression = _compression(paths)
    evenly = paths[:: -(-len(paths) // _LOOKED_AT)]
    first = [(path, example) for path in evenly for example in _first_record(path, compression)]
    if not first:
        raise UserError(f"{paths[0]} holds no record, nor do others: give shards that were written to their end")
    require_keys(first, keys, needs_labels=not keep_unlabelled)
    clips = [clip for path, example in first for clip in _clip(path, example, keys)]
    return Settings(
        classes=classes,
        keys=keys,
        fps=float(_stated_rate(clips) if fps is None else fps),
        fps_is_given=fps is not None,
        short_side=_only_side(clips) if short_side is None else short_side,
        short_side_is_given=short_side is not None,
        keep_unlabelled=keep_unlabelled,
        compression=compression,
    )


def _compression(paths: Sequence[str]) -> str:
    begins = []
    for path in paths:
        with files.open_regular(path, _REMEDY) as opened:
            begins.append(opened.read(2))
    compressed = [begin == _GZIP_BEGIN for begin in begins if begin]
    if any(compressed) and not all(compressed):
        raise UserError(
            f"{sum(compressed)} of {len(compressed)} files are compressed (GZIP), the others not: index them apart"
        )
    return "GZIP" if any(compressed) else ""


def _first_record(path: str, compression: str) -> list[Any]:
    """The first record of a file, if it has any."""
    try:
        with files.open_regular(path, _REMEDY) as opened:
            return [example for _, example in zip(range(1), examples(uncompressed(opened, compression)), strict=False)]
    except ValueError as error:
        raise UserError(f"{path} {error}") from error


def _clip(path: str, example: Any, keys: RecordKeys) -> list[ForeignClip]:
    """What a record says, if it gives a clip."""
    try:
        return [foreign_clip(example, keys)]
    except UnreadableError:
        return []
    except ValueError as error:
        raise UserError(f"{path} record 0 {error}") from error


def _only_side(clips: Sequence[ForeignClip]) -> int:
    sides = {min(clip.height, clip.width) for clip in clips}
    if len(sides) == 1:
        return sides.pop()
    found = f"have short sides of {min(sides)} to {max(sides)} pixels" if sides else "of first records can't be read"
    raise UserError(f"frames {found}: give --short_side, to which all are scaled as they are read")


def _stated_rate(clips: Sequence[ForeignClip]) -> float:
    stated = {clip.frame_rate for clip in clips if clip.frame_rate}
    if len(stated) == 1 and all(clip.frame_rate for clip in clips if clip.num_frames > 1):
        return stated.pop()
    said = f"say {min(stated):g} to {max(stated):g}" if stated else "don't say their"
    guesses = sorted(clip.rate for clip in clips if clip.rate)
    about = f", by times and lengths about {guesses[len(guesses) // 2]:.3g}" if guesses else ""
    raise UserError(f"the records {said} frames per second{about}: give --fps, which is taken for all")
