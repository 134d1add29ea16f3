"""The rows of the paper's Table 2, each with what it is counted over."""

import dataclasses
from collections.abc import Sequence

from spl_tf.text_tables import markdown_table
from tools.noisyactions2m.entity_counts import EntityCounts
from tools.noisyactions2m.totals import Field, Totals

COLUMNS = ("statistic", "value", "over_all_videos", "paper", "definition")


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
      statistic: as the paper calls it.
      value: None where nothing was there to count.
      definition: what `value` is.
      paper: the paper's value, rounded there to an integer.
      over_all: the sum over all videos instead of those that have the field; None where that makes no sense.
    """

    statistic: str
    value: float | None
    definition: str
    paper: str
    over_all: float | None = None

    def cells(self) -> tuple[object, ...]:
        """In the order of COLUMNS; whole numbers whole."""
        return self.statistic, _number(self.value), _number(self.over_all), self.paper, self.definition


def rows(counted: Totals, entities: EntityCounts | None) -> list[Row]:
    """The eleven rows, in the paper's order; those of entities are empty without scores."""
    videos = counted.videos
    countries = len(counted.per_country)
    located = sum(counted.per_country.values())
    found = Field()
    if entities is not None:
        found.add(entities.per_video[entities.scored])
    return [
        Row("Total number of Countries", countries, "countries with a video", "212"),
        Row(
            "Average # videos per Country",
            located / countries if countries else None,
            f"{located:,} videos with coordinates in a country, over those countries",
            "980",
            videos / countries if countries else None,
        ),
        _average("Average # labels per Video", counted.labels(), videos, "labels, over videos with a label", "4"),
        _average("Average Duration", counted.duration, videos, "seconds, over videos with a duration", "123"),
        Row("# videos with duration < 60s", counted.under_60, "duration < 60 s", "1723439"),
        Row("# videos between 60-120s", counted.to_120, "60 s <= duration <= 120 s", "423512"),
        _average("Average # Entities per video", found, videos, "entities, over videos with a score", "6"),
        Row("Total # videos with tags", counted.tags.videos, "videos with at least one tag", "968586"),
        _average("Average # tags per video", counted.tags, videos, "tags, over videos with a tag", "12"),
        Row("Total # videos with comments", counted.comments.videos, "videos with at least one comment", "230269"),
        _average("Average # comments per video", counted.comments, videos, "comments, over videos with a comment", "5"),
    ]


def markdown(table: Sequence[Row], videos: int) -> str:
    """The table as a page."""
    cells = [
        (row.statistic, _shown(row.value), _shown(row.over_all), f"{int(row.paper):,}", row.definition) for row in table
    ]
    text = markdown_table(("Statistic", "Value", "Over all videos", "Paper", "The value is"), cells)
    return (
        f"# {videos:,} videos\n\nThe rows of Table 2 of the paper, which does not say what its averages are over. An "
        "average is over the videos\nthat have the field, beside it over all videos; - is what no video has.\n\n"
        f"{text}\n"
    )


def _average(statistic: str, field: Field, videos: int, definition: str, paper: str) -> Row:
    over_all = field.mean_over(videos) if field.videos else None
    return Row(statistic, field.mean(), definition, paper, over_all)


def _number(value: float | None) -> object:
    return round(value, 4) if isinstance(value, float) else value


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
