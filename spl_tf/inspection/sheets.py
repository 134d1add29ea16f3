"""Contact sheets of drawn clips: pages `sheet-000.png` and so on, and `clips.csv`, which says what is on them."""

import csv
import dataclasses
import pathlib
import re
from collections.abc import Callable, Sequence

from tqdm import tqdm

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.sidecars import Place
from spl_tf.data.thumbnails import Strip, read_strips
from spl_tf.files import Path, atomic_path
from spl_tf.fonts import font_families
from spl_tf.inspection.contact_sheet import Row, draw_page, lay_out
from spl_tf.remote import mirror

LIST_FILE = "clips.csv"
_PAGE_NAME = re.compile(r"sheet-\d{3,}\.png")


@dataclasses.dataclass(frozen=True)
class Sheets:
    """What was written.

    Attributes:
      paths: the pages.
      num_clips: strips on them.
      unreadable: drawn clips that are not, because their records can't be read.
      no_glyph: characters that no installed font has.
    """

    paths: list[pathlib.Path]
    num_clips: int
    unreadable: int
    no_glyph: str


def write_sheets(
    dataset: ClipDataset,
    captions: Sequence[str],
    drawn: Sequence[Sequence[Place]],
    label: Callable[[Strip], str],
    output_dir: Path,
    *,
    num_frames: int,
) -> Sheets:
    """Draws a row of strips for every group; one page at a time is in memory. Replaces earlier sheets in the folder.

    Args:
      dataset: the shards; those that are missing or damaged cost only the clips in them.
      captions: of G groups.
      drawn: the clips of G groups.
      label: the line under a strip.
      output_dir: for the pages and `clips.csv`.
      num_frames: of a strip.
    """
    output_dir = pathlib.Path(output_dir)
    paths, listed, unreadable, no_glyph = [], [], 0, set()
    pages = lay_out(captions, [len(places) for places in drawn], num_frames)
    with tqdm(total=sum(map(len, drawn)), desc="drawing", unit="clip", delay=1) as bar:
        for number, rows in enumerate(pages):
            strips = _read_rows(dataset, rows, drawn, num_frames, bar)
            unreadable += sum(row.num_strips - len(row_strips) for row, row_strips in zip(rows, strips, strict=True))
            texts = [row.caption for row in rows] + [label(strip) for row_strips in strips for strip in row_strips]
            families, missing = font_families(texts)
            no_glyph |= set(missing)
            path = output_dir / f"sheet-{number:03d}.png"
            draw_page(rows, strips, label, path, num_frames=num_frames, families=families)
            paths.append(path)
            listed += [
                (
                    path.name,
                    row.caption,
                    strip.clip_id,
                    dataset.shards[strip.place.shard].name,
                    strip.place.row,
                    "|".join(strip.label_texts),
                    strip.key,
                )
                for row, row_strips in zip(rows, strips, strict=True)
                for strip in row_strips
            ]
    with atomic_path(output_dir / LIST_FILE) as temporary, open(temporary, "w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["sheet", "caption", "clip_id", "shard", "record", "labels", "key"])
        writer.writerows(listed)
    for path in output_dir.iterdir():
        if _PAGE_NAME.fullmatch(path.name) and path not in paths:
            mirror.remove(path)
    return Sheets(paths, len(listed), unreadable, "".join(sorted(no_glyph)))


def _read_rows(
    dataset: ClipDataset, rows: Sequence[Row], drawn: Sequence[Sequence[Place]], num_frames: int, bar: tqdm
) -> list[list[Strip]]:
    """The readable strips of every row in the order of the draw; each record is read once, shard by shard."""
    row_places = [drawn[row.group][row.first : row.first + row.num_strips] for row in rows]
    places = sorted({place for places in row_places for place in places}, key=lambda place: (place.shard, place.row))
    found = {}
    for place, strip in zip(places, read_strips(dataset, places, num_frames), strict=True):
        found[place] = strip
        bar.update()
    bar.update(sum(map(len, row_places)) - len(places))
    return [[strip for place in places if (strip := found[place]) is not None] for places in row_places]
