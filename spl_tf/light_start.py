"""Keras without scikit-learn and pyplot, which it imports for wrappers and galleries that no command uses.

Where they are installed, they take a fifth of the time until a command has imported what it needs. Only Keras goes
without: who imports them afterwards gets them.
"""

import contextlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Iterator, Sequence

# Keras 3.15 does without each when its import fails.
_OPTIONAL = ("sklearn", "matplotlib.pyplot")


@contextlib.contextmanager
def light_start() -> Iterator[None]:
    """While it is open, Keras finds neither as it is imported."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name in _OPTIONAL and _is_being_imported("keras"):
            raise ModuleNotFoundError(f"{name} is not for Keras", name=name)
        return None


def _is_being_imported(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return getattr(spec, "_initializing", False)
