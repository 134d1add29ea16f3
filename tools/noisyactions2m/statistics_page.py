"""The page of a set's statistics: Table 2 of the paper, and what figures 1, 2 and 4 show as tables."""

import collections
from collections.abc import Iterable, Mapping, Sequence

from spl_tf.text_tables import markdown_table
from tools.noisyactions2m import table2

_LARGEST = 20


def page(
    rows: Sequence[table2.Row],
    videos: int,
    by_size: Sequence[tuple[str, int]],
    labels_per_video: Mapping[int, int],
    shares: Sequence[tuple[str, int, str]],
    countries: Sequence[tuple[str, str, int]],
    drawn: Iterable[str],
) -> str:
    """Markdown.

    Args:
      rows: of Table 2.
      videos: of the set.
      by_size: class and videos, most first.
      labels_per_video: labels -> videos.
      shares: entity, videos, share of the scored videos.
      countries: code, name, videos.
      drawn: file names of the figures there are.
    """
    there = set(drawn)
    sizes = [(f"{low:,} to {high:,}", f"{count:,}") for low, high, count in doubling(size for _, size in by_size)]
    without = sum(size == 0 for _, size in by_size)
    largest = [(_cell(name), f"{size:,}") for name, size in by_size[:_LARGEST]]
    parts = [
        table2.markdown(rows, videos),
        _section("Figure 1: classes and labels", "labels_and_videos.png", there),
        _table("Classes by videos", ("Videos", "Classes"), [("0", f"{without:,}")] * bool(without) + sizes),
        _table(f"The {len(largest)} largest classes of videos_per_class.csv", ("Class", "Videos"), largest),
        _table(
            "Videos by labels",
            ("Labels", "Videos"),
            [(f"{labels:,}", f"{count:,}") for labels, count in sorted(labels_per_video.items())],
        ),
        _section("Figure 2: entities", "entities.png", there),
        _table(
            "Of the videos with a score",
            ("Entity", "Videos", "Share"),
            [(_cell(name), f"{count:,}", f"{float(share):.1%}") for name, count, share in shares],
        ),
        _section("Figure 4: countries", "countries.png", there),
        _table(
            "Of the videos with coordinates in a country",
            ("Country", "Code", "Videos"),
            [(_cell(name), code, f"{count:,}") for code, name, count in countries],
        ),
    ]
    return "\n".join(parts)


def doubling(sizes: Iterable[int]) -> list[tuple[int, int, int]]:
    """(lowest, highest, how many) of the sizes above 0 in ranges that double: 1, 2 to 3, 4 to 7, ..."""
    counts = collections.Counter(size.bit_length() for size in sizes if size)
    return [(1 << bits - 1, (1 << bits) - 1, counts[bits]) for bits in range(1, max(counts, default=0) + 1)]


def _section(title: str, figure: str, there: set[str]) -> str:
    return f"## {title}\n" + (f"\n![{title}]({figure})\n" if figure in there else "")


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"{title}:\n\n{markdown_table(header, rows)}\n" if rows else f"{title}: none.\n"


def _cell(name: str) -> str:
    """A name of anybody's in a cell."""
    return " ".join(name.split()).replace("\\", "\\\\").replace("|", "\\|")
