"""Names of classes that are cells of the confusion matrix."""

from collections.abc import Sequence

from spl_tf.errors import UserError

_MOST_BARS = 9


def cell_name(classes: Sequence[str], query: int, seen: int) -> tuple[str, ...]:
    """Of what a cell's name is made: ("run",) on the diagonal, ("run", "jump") for run queried and jump seen."""
    return (classes[query],) if query == seen else (classes[query], classes[seen])


def distinct_names(cells: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The cells' names: "run", "run|jump".

    Class names may have bars of their own: beside `push`, `pull` and `push|pull` the cell of push queried and pull
    seen is `push||pull`, and so is every other with two bars.

    Raises:
      UserError: no number of bars keeps the names apart.
    """
    for bars in range(1, _MOST_BARS + 1):
        names = tuple(("|" * bars).join(cell) for cell in cells)
        if len(set(names)) == len(names):
            return names
    repeated = next(name for place, name in enumerate(names) if name in names[:place])
    raise UserError(f"two classes would be called {repeated!r}: rename the classes whose names begin or end with |")
