"""gin files and bindings: found, parsed strictly, and refused with one clear line."""

import contextlib
import difflib
import importlib.util  # noqa: F401  gin uses it without importing it.
import inspect
import logging
import pathlib
import re
import tokenize
import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import gin

from spl_tf import files
from spl_tf.errors import UserError

# The scopes of one experiment's stages; an unscoped binding holds for all of them.
STAGES = ("teacher", "pretrain", "finetune")

_PACKAGE = pathlib.Path(__file__).parent
_GIN_ERRORS = (
    ValueError,
    SyntaxError,
    TypeError,
    KeyError,
    NameError,
    AttributeError,
    OSError,
    ImportError,
    tokenize.TokenError,
)
_PLAIN = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a text in quotes",
    types.NoneType: "None",
}


def search_folders(extra: Sequence[str] = ()) -> list[pathlib.Path]:
    """Where gin files are looked for: here, `extra`, the installed package, `gin/` beside the package."""
    return [pathlib.Path.cwd(), *map(pathlib.Path, extra), _PACKAGE / "gin_files", _PACKAGE.parent / "gin"]


def parse(gin_files: Sequence[str], gin_params: Sequence[str] = (), search_path: Sequence[str] = ()) -> None:
    """Parses gin files, then bindings, and locks the configuration.

    Args:
      gin_files: names looked for in `search_folders`; later files override earlier ones.
      gin_params: bindings such as "train_stage.epochs = 3"; they override the files.
      search_path: further folders to look in.

    Raises:
      UserError: a missing file, an unknown name (with the nearest known one), a
        syntax error, an undefined macro, a scope that is no stage, or a value of
        another type than the parameter's.
    """
    from spl_tf import configurables  # noqa: F401  Registers everything a file may name.

    folders = search_folders(search_path)
    for folder in folders:
        gin.add_config_file_search_path(str(folder))
    paths = [str(_find(name, folders)) for name in gin_files]
    gin.clear_config()
    try:
        with _search_unreported():
            gin.parse_config_files_and_bindings(paths, list(gin_params), finalize_config=False, skip_unknown=False)
        _check_scopes()
        gin.finalize()
        _check_types()
    except _GIN_ERRORS as error:
        raise UserError(_explain(error)) from error


@contextlib.contextmanager
def overridden(gin_params: Sequence[str]) -> Iterator[None]:
    """Adds bindings to the parsed configuration for the time of the block.

    What the block used is not part of the operative configuration afterwards.

    Raises:
      UserError: a binding is none, as of `parse`.
    """
    tables = (gin.config._CONFIG, gin.config._OPERATIVE_CONFIG)
    before = [{key: dict(parameters) for key, parameters in table.items()} for table in tables]
    try:
        try:
            with gin.unlock_config():
                gin.parse_config(list(gin_params))
            _check_scopes()
            _check_types()
        except _GIN_ERRORS as error:
            raise UserError(_explain(error)) from error
        yield
    finally:
        for table, entries in zip(tables, before, strict=True):
            table.clear()
            table.update(entries)


def stage_bindings(stage: str) -> dict[str, str]:
    """What the configuration says to a stage: "resnet3d.depth" -> "18", macros replaced by their values."""
    bindings: dict[str, str] = {}
    for wanted_scope in ("", stage):  # The stage's own bindings override the shared ones.
        for (scope, selector), parameters in gin.config._CONFIG.items():
            if scope == wanted_scope and selector != "gin.macro":
                name = selector.split(".")[-1]
                bindings |= {f"{name}.{key}": _without_macros(repr(value)) for key, value in parameters.items()}
    return bindings


def _without_macros(value: str) -> str:
    return re.sub(r"%([\w./]+)", lambda macro: _without_macros(repr(gin.query_parameter(f"%{macro[1]}"))), value)


def write_operative_config(path: files.Path) -> None:
    """Writes the parameters actually used so far, a gin file that repeats the run."""
    files.write_text(path, gin.operative_config_str())


@contextlib.contextmanager
def _search_unreported() -> Iterator[None]:
    """gin reports every folder in which it does not find an included file, as an error, before it looks in the next."""

    def wanted(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Path not found")

    logging.getLogger().addFilter(wanted)
    try:
        yield
    finally:
        logging.getLogger().removeFilter(wanted)


def _find(name: str, folders: Iterable[pathlib.Path]) -> pathlib.Path:
    candidates = [folder / name for folder in folders]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    known = sorted({str(path.relative_to(folder)) for folder in folders[1:] for path in folder.rglob("*.gin")})
    raise UserError(f"no gin file {name!r}{_nearest(name, known)}; looked in {', '.join(map(str, folders))}")


def _check_scopes() -> None:
    """gin ignores a binding whose scope is never entered: a typing error would go unnoticed."""
    for (scope, selector), parameters in gin.config._CONFIG.items():
        if selector == "gin.macro":
            if "/" in scope:
                raise UserError(f"gin macro {scope}: a macro holds for all stages, give it a name without a scope")
        elif scope and scope not in STAGES:
            name = f"{scope}/{selector.split('.')[-1]}.{next(iter(parameters))}"
            raise UserError(f"gin binding {name}: no stage {scope!r}{_nearest(scope, STAGES)}")


def _check_types() -> None:
    """Refuses a text for a number and the like, which the first comparison would find, maybe after hours."""
    for (scope, selector), values in gin.config._CONFIG.items():
        if selector == "gin.macro":
            continue
        parameters = inspect.signature(gin.get_configurable(selector)).parameters
        for name, value in values.items():
            wanted = _plain_types(parameters[name].annotation) if name in parameters else ()
            given = _value_of(value)
            if wanted and not isinstance(given, gin.config.ConfigurableReference) and not _fits(given, wanted):
                binding = f"{scope}/" * bool(scope) + f"{selector.split('.')[-1]}.{name}"
                raise UserError(
                    f"gin binding {binding} = {given!r}: give {' or '.join(_PLAIN[kind] for kind in wanted)}"
                )


def _plain_types(annotation: Any) -> tuple[type, ...]:
    """Types a parameter takes, e.g. of "int | None"; none where it takes any that is not plain."""
    kinds = annotation.__args__ if isinstance(annotation, types.UnionType) else (annotation,)
    return kinds if all(kind in _PLAIN for kind in kinds) else ()


def _fits(value: Any, wanted: tuple[type, ...]) -> bool:
    return type(value) in wanted or (type(value) is int and float in wanted)


def _value_of(value: Any) -> Any:
    """What a macro stands for; anything else is itself."""
    for _ in gin.config._CONFIG:  # Macros may stand for macros; in a circle they stand for nothing.
        if isinstance(value, gin.config.ConfigurableReference) and repr(value).startswith("%"):
            value = gin.query_parameter(repr(value))
    return value


def _explain(error: Exception) -> str:
    """gin's message on one line, with the nearest known name, or the binding it could not read."""
    text = " ".join(str(error.args[0] if error.args else error).split())
    if isinstance(error, SyntaxError) and (error.text or "").strip():
        where = f"{error.filename} line {error.lineno}: " if error.filename else ""
        return f"gin: {where}{_explain_syntax(text, error.text.strip())}"
    if unknown := re.search(r"No configurable matching (?:reference )?'@?([^']+)'", text):
        text += _nearest(unknown[1].split("/")[-1].removesuffix("()"), _configurable_names())
    elif unknown := re.search(r"Configurable '([^']+)' doesn't have a parameter named '([^']+)'", text):
        text += _nearest(unknown[2], inspect.signature(gin.get_configurable(unknown[1])).parameters)
    return f"gin: {text}"


def _explain_syntax(text: str, line: str) -> str:
    """gin's message on a line it cannot read; mostly a text lacks its quotes, which the shell takes away."""
    name, _, value = (part.strip() for part in line.partition("="))
    if not re.search("Unable to parse value|Failed to parse token", text):
        return f"{line}: {text}"
    quoted = value if re.search("[\"'[({]", value) else f"'{value}'"
    example = f', e.g. --gin_param="{name}={quoted}"' if quoted != value else ""
    return f"{line}: no value that can be read; texts need quotes{example}"


def _configurable_names() -> list[str]:
    return [selector.split(".")[-1] for selector, _ in gin.config._REGISTRY.items()]


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""
