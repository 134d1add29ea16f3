"""Tables of plain text, for the terminal."""

from collections.abc import Iterable, Sequence


def aligned_table(rows: Iterable[Sequence[str]], aligned: str) -> str:
    """Columns of text, each aligned left (<) or right (>)."""
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(aligned))]
    lines = (
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, aligned, widths, strict=True))
        for row in rows
    )
    return "\n".join(f"  {line}".rstrip() for line in lines)
