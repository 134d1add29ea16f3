"""Fonts for text in any script: matplotlib's own, and for what it lacks a font of the system."""

import functools
from collections.abc import Iterable

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

_OWN_FAMILY = "DejaVu Sans"


def font_families(texts: Iterable[str]) -> tuple[list[str], str]:
    """Families that together have the characters of `texts`, for matplotlib's `fontfamily`.

    Returns:
      The families in the order of preference, and the characters that no installed font has.
    """
    missing = set("".join(texts)) - _characters(font_manager.findfont(_OWN_FAMILY))
    missing = {character for character in missing if character.isprintable()}
    families = [_OWN_FAMILY]
    # Most systems have dozens of fonts: the one with most of the missing characters first.
    while missing:
        paths = sorted(font_manager.findSystemFonts(), key=_preference)
        best = max(paths, key=lambda path: len(missing & _characters(path)), default=None)
        if best is None or not (found := missing & _characters(best)):
            break
        font_manager.fontManager.addfont(best)  # It may be newer than matplotlib's list of fonts.
        families.append(FT2Font(best).family_name)
        missing -= found
    return families, "".join(sorted(missing))


def _preference(path: str) -> tuple[bool, str]:
    """Upright fonts of normal weight have "Regular" in their names, if anything."""
    return "regular" not in path.lower(), path


@functools.cache
def _characters(path: str) -> frozenset[str]:
    """The characters a font has a glyph for; none for a file that is no font, or whose glyphs are bitmaps."""
    try:
        font = FT2Font(path)
    except (RuntimeError, OSError):
        return frozenset()
    return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()
