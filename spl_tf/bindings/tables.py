"""What gin keeps in private tables: bindings, configurables, macros. No other file looks into them."""

import contextlib
import dataclasses
import importlib.util  # noqa: F401  gin uses it without importing it.
import inspect
import pathlib
from collections.abc import Iterator
from typing import Any

import gin
from gin.config import Configurable
from gin.config import ConfigurableReference as Reference

MACRO = "gin.macro"


@dataclasses.dataclass(frozen=True)
class Source:
    """A gin file.

    Attributes:
      name: by which it was given or included.
      path: where it was found.
    """

    name: str
    path: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Binding:
    """A value for a parameter, or for a macro.

    Attributes:
      scope: stage for which it holds, "" for all; of a macro its name.
      selector: full name of the configurable, "spl_tf.models.resnet3d.resnet3d", or MACRO.
      parameter: its parameter; of a macro "value".
      value: literal or reference.
      source: file it was read from; None for the command line, and for what gin's table holds.
    """

    scope: str
    selector: str
    parameter: str
    value: Any
    source: Source | None = None

    @property
    def is_macro(self) -> bool:
        return self.selector == MACRO

    @property
    def key(self) -> tuple[str, str]:
        """What it binds, in whatever scope."""
        return self.selector, self.parameter

    @property
    def name(self) -> str:
        """As in a gin file: "teacher/train_stage.epochs", or the macro."""
        return self.scope if self.is_macro else f"{self.scope}/" * bool(self.scope) + self.short_name

    @property
    def short_name(self) -> str:
        """Without the scope: "train_stage.epochs"."""
        return f"{self.selector.split('.')[-1]}.{self.parameter}"

    def __str__(self) -> str:
        return f"{self.name} = {self.value!r}"


def bound() -> list[Binding]:
    """All that is bound now."""
    return [
        Binding(scope, selector, parameter, value)
        for (scope, selector), parameters in gin.config._CONFIG.items()
        for parameter, value in parameters.items()
    ]


def bind(binding: Binding) -> None:
    """Replaces what was bound before."""
    gin.bind_parameter((binding.scope, binding.selector, binding.parameter), binding.value)


def unbind(binding: Binding) -> None:
    parameters = gin.config._CONFIG[binding.scope, binding.selector]
    del parameters[binding.parameter]
    if not parameters:
        del gin.config._CONFIG[binding.scope, binding.selector]


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Undoes at the end of the block what it bound, and forgets what it used."""
    tables = (gin.config._CONFIG, gin.config._OPERATIVE_CONFIG)
    before = [{key: dict(parameters) for key, parameters in table.items()} for table in tables]
    try:
        yield
    finally:
        for table, entries in zip(tables, before, strict=True):
            table.clear()
            table.update(entries)


def configurables() -> dict[str, Configurable]:
    """What a gin file may name, by its full name; without gin's own."""
    return {selector: found for selector, found in gin.config._REGISTRY.items() if found.module != "gin"}


def settings(configurable: Configurable) -> dict[str, inspect.Parameter]:
    """The parameters that gin may set: the others are always given by the program itself.

    Those are positional ones without a default, and what the decorator leaves out.
    """
    return {
        name: parameter
        for name, parameter in inspect.signature(configurable.wrapped).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and (parameter.kind is parameter.KEYWORD_ONLY or parameter.default is not parameter.empty)
        and name not in (configurable.denylist or ())
        and (not configurable.allowlist or name in configurable.allowlist)
    }


def macro_of(value: Any) -> str | None:
    """The name of the macro that a value is, or None."""
    if isinstance(value, Reference) and value.configurable.selector == MACRO:
        return "/".join(value.scopes)
    return None


def resolved(value: Any) -> Any:
    """A value with the macros in it replaced by what they stand for; they must not stand for each other."""
    if (name := macro_of(value)) is not None:
        return resolved(gin.query_parameter(f"%{name}"))
    if isinstance(value, list | tuple):
        return type(value)(resolved(item) for item in value)
    if isinstance(value, dict):
        return {key: resolved(item) for key, item in value.items()}
    return value
