"""Whether a value is of the kind its parameter takes, by the annotation; what doesn't fit would be found too late."""

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from spl_tf.bindings import tables
from spl_tf.bindings.reading import nearest
from spl_tf.bindings.tables import Binding, Reference
from spl_tf.errors import UserError
from spl_tf.ranges import Range

_ONE = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a text in quotes",
    types.NoneType: "None",
}
_MANY = {int: "whole numbers", float: "numbers", bool: "True or False", str: "texts in quotes"}


def require_fitting(bindings: Iterable[Binding]) -> None:
    """Refuses a text for a number, a name for a reference, a number out of its range and the like.

    Raises:
      UserError: with the form that would fit.
    """
    known = tables.configurables()
    for binding in bindings:
        if binding.is_macro or binding.selector not in known:
            continue
        parameter = tables.settings(known[binding.selector])[binding.parameter]
        annotation, value = _annotation(parameter), tables.resolved(binding.value)
        if not _fits(value, annotation):
            example = _example(value, annotation, parameter.default)
            raise UserError(f"gin binding {binding.name} = {value!r}: give {_describe(annotation)}{example}")


def _annotation(parameter: inspect.Parameter) -> Any:
    """Keras' optimizers have none: of these the default tells."""
    if parameter.annotation is parameter.empty and type(parameter.default) in (int, float, bool, str):
        return type(parameter.default)
    return parameter.annotation


def _fits(value: Any, annotation: Any) -> bool:
    arguments = typing.get_args(annotation)
    if annotation in (inspect.Parameter.empty, Any):
        return True
    if _is_union(annotation):
        return any(_fits(value, kind) for kind in arguments)
    if _is_callable(annotation):
        return isinstance(value, Reference) and not value.evaluate and _makes(value.configurable, annotation)
    if isinstance(value, Reference):
        return False
    if typing.get_origin(annotation) is Annotated:
        ranges = [extra for extra in annotation.__metadata__ if isinstance(extra, Range)]
        return _fits(value, arguments[0]) and all(value in allowed for allowed in ranges)
    if _is_list(annotation):
        if not isinstance(value, list | tuple):
            return False
        length = _length(annotation)
        return length in (None, len(value)) and all(_fits(item, arguments[0]) for item in value)
    if annotation is float:
        return type(value) in (int, float)
    if annotation in (None, types.NoneType):
        return value is None
    return (
        type(value) is annotation
        if annotation in _ONE
        else isinstance(value, typing.get_origin(annotation) or annotation)
    )


def _makes(configurable: tables.Configurable, annotation: Any, if_unknown: bool = True) -> bool:
    """Whether a function returns, or a class is, what the parameter's `Callable[..., Result]` says."""
    wanted = typing.get_args(annotation)[-1:]
    made = configurable.wrapped
    if not inspect.isclass(made):
        made = inspect.signature(made).return_annotation
    made = typing.get_origin(made) or made
    if not wanted or not inspect.isclass(wanted[0]) or not inspect.isclass(made) or made is inspect.Signature.empty:
        return if_unknown
    return issubclass(made, wanted[0])


def _describe(annotation: Any) -> str:
    kinds = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    # A path is a text in a gin file, and no gin file holds an array.
    described = (_describe_one(kind) for kind in kinds if _is_written(kind))
    return " or ".join(dict.fromkeys(described))


def _describe_one(kind: Any) -> str:
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is Annotated:
        return " ".join([_describe_one(arguments[0]), *map(str, kind.__metadata__)])
    if _is_callable(kind):
        return "a reference"
    if _is_table(kind):
        return "a table in braces, {'name': ...}"
    if _is_list(kind):
        length = _length(kind)
        return f"{'a list of' if length is None else length} {_describe_many(arguments[0])}"
    return _ONE[types.NoneType if kind is None else kind]


def _describe_many(kind: Any) -> str:
    if _is_list(kind):
        return f"lists of {_describe_many(typing.get_args(kind)[0])}"
    return _MANY[kind]


def _example(value: Any, annotation: Any, default: Any) -> str:
    """The form that fits, where the value tells what was meant."""
    for kind in typing.get_args(annotation) if _is_union(annotation) else (annotation,):
        if _is_list(kind) and _length(kind) is None and _fits(value, typing.get_args(kind)[0]):
            return f", e.g. [{value!r}]"
        if _is_callable(kind):
            return _example_reference(value, kind, default)
    return ""


def _example_reference(value: Any, annotation: Any, default: Any) -> str:
    if isinstance(value, Reference) and value.evaluate and _makes(value.configurable, annotation):
        return f": {repr(value).removesuffix('()')}, without ()"
    known = tables.configurables().values()
    names = sorted(found.name for found in known if _makes(found, annotation, if_unknown=False))
    if isinstance(value, str):
        exact = [name for name in names if name.lower() == value.removeprefix("@").removesuffix("()").lower()]
        if exact:
            return f": @{exact[0]}"
    if not names:  # The annotation does not say what it makes.
        return f", e.g. @{default.__name__}" if callable(default) else ""
    hint = nearest(value, names) if isinstance(value, str) else ""
    return f": {' or '.join(', '.join(f'@{name}' for name in names).rsplit(', ', 1))}{hint}"


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (types.UnionType, typing.Union)


def _is_callable(annotation: Any) -> bool:
    return annotation is Callable or typing.get_origin(annotation) is collections.abc.Callable


def _is_list(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (collections.abc.Sequence, list, tuple)


def _is_table(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (collections.abc.Mapping, dict)


def _length(annotation: Any) -> int | None:
    arguments = typing.get_args(annotation)
    return len(arguments) if typing.get_origin(annotation) is tuple and arguments[-1] is not Ellipsis else None


def _is_written(kind: Any) -> bool:
    """Whether a gin file can hold a value of the kind: no array, and a path as a text."""
    plain = kind is None or kind in _ONE or typing.get_origin(kind) is Annotated
    return plain or _is_callable(kind) or _is_list(kind) or _is_table(kind)
