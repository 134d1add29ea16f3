"""Macros that have no value, stand for each other, or are never used, which gin takes without a word."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spl_tf.bindings import tables
from spl_tf.bindings.reading import nearest
from spl_tf.bindings.tables import Binding, Source
from spl_tf.errors import UserError

# Sizes of a paper's data set, for programs that reckon with a recipe without its data: no binding uses them.
READ_BY_TOOLS = ("CLASSES", "TARGET_VIDEOS", "TEST_VIDEOS", "WEB_CLASSES", "WEB_CLIPS")


def require_sound(read: Sequence[Binding]) -> None:
    """Checks the macros in gin's table.

    Args:
      read: what was read this time, of files and of the command line.

    Raises:
      UserError: a macro has no value, stands for itself, or was read and is not used. One of a file is used where
        any binding that was read names it, or another gin file in its folder does: a file may change the sizes of
        several. One of the command line must be used by a binding that holds.
    """
    bound = tables.bound()
    values = {binding.scope: binding.value for binding in bound if binding.is_macro}
    for binding in bound:
        for name in _names_in(binding.value):
            if name not in values:
                others = nearest(name, values)
                raise UserError(f"gin binding {binding}: the macro {name} has no value{others or ', give it one'}")
    for name in values:
        _require_no_circle(name, values)
    held = {name for binding in bound if not binding.is_macro for name in _reachable(binding.value, values)}
    named = held | {name for binding in read for name in _names_in(binding.value)}
    for binding in read:
        if not binding.is_macro or binding.scope in READ_BY_TOOLS:
            continue
        if binding.scope in (named if binding.source else held):
            continue
        if binding.source is None or binding.scope not in _names_beside(binding.source):
            where = f"{binding.source.name}: " if binding.source else ""
            hint = _meant(binding, named | values.keys())
            raise UserError(f"gin: {where}{binding}: no binding uses a macro of this name{hint}")


def _names_in(value: Any) -> Iterator[str]:
    """Macros that a value names, itself included."""
    if (name := tables.macro_of(value)) is not None:
        yield name
    elif isinstance(value, dict):
        yield from _names_in([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _names_in(item)


def _reachable(value: Any, values: Mapping[str, Any]) -> Iterator[str]:
    for name in _names_in(value):
        yield name
        yield from _reachable(values[name], values)


def _require_no_circle(name: str, values: Mapping[str, Any], within: tuple[str, ...] = ()) -> None:
    if name in within:
        circle = " = %".join([*within[within.index(name) :], name])
        raise UserError(f"gin: {circle}: these macros stand for each other, give one of them a value")
    for other in _names_in(values[name]):
        _require_no_circle(other, values, (*within, name))


def _names_beside(source: Source) -> set[str]:
    """Macros that gin files in a file's folder use."""
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in source.path.parent.glob("*.gin"))
    return {name for text in texts for name in re.findall(r"%(\w+)", text)}


def _meant(binding: Binding, macros: set[str]) -> str:
    """The parameter of that name, those first that are bound; else the nearest macro, or parameter."""
    bound = {other.short_name for other in tables.bound() if not other.is_macro}
    known = [
        f"{configurable.name}.{parameter}"
        for configurable in tables.configurables().values()
        for parameter in tables.settings(configurable)
    ]
    same = sorted((name for name in known if name.endswith(f".{binding.scope}")), key=lambda name: name not in bound)
    if same:
        return f" (did you mean {same[0]} = {binding.value!r}?)"
    return nearest(binding.scope, macros - {binding.scope}) or nearest(
        binding.scope, [name.split(".")[-1] for name in known]
    )
