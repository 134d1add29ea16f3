"""From gin files and lines of the command line to bindings; nothing is bound yet."""

import contextlib
import difflib
import inspect
import pathlib
import re
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

import gin
from gin import config_parser

from spl_tf.bindings import tables
from spl_tf.bindings.tables import MACRO, Binding, Source
from spl_tf.errors import UserError

_GIN_ERRORS = (
    ValueError,
    SyntaxError,
    TypeError,
    KeyError,
    NameError,
    AttributeError,
    OSError,
    tokenize.TokenError,
    RecursionError,
)


def read_file(name: str, folders: Sequence[pathlib.Path], within: tuple[pathlib.Path, ...] = ()) -> Iterator[Binding]:
    """The bindings of a file and of those it includes, in their order.

    Args:
      name: looked for in `folders`.
      folders: the first is the working directory.
      within: files that include this one.

    Raises:
      UserError: a file is missing, no UTF-8 or includes itself, or as `read_lines`.
    """
    path = _find(name, folders)
    if path.resolve() in within:
        raise UserError(f"gin file {name} includes itself, by way of {within[-1]}: remove one of the includes")
    try:
        with open(path, encoding="utf-8") as opened:
            for statement in _statements(opened, f"{name}: "):
                if isinstance(statement, config_parser.IncludeStatement):
                    yield from read_file(statement.filename, folders, (*within, path.resolve()))
                else:
                    yield from _bindings(statement, Source(name, path))
    except UnicodeDecodeError as error:
        raise UserError(f"gin file {path} is no UTF-8 text ({error.reason}): save it as UTF-8") from error


def read_lines(lines: Iterable[str]) -> list[Binding]:
    """Bindings such as "train_stage.epochs = 3".

    Raises:
      UserError: a line can't be read, an unknown name (with the nearest known one), a parameter that the program
        sets itself, a macro with a scope, or an import, which could run anything and is the command line's to allow.
    """
    read: list[Binding] = []
    for line in lines:
        for statement in _statements(line):
            if isinstance(statement, config_parser.IncludeStatement):
                raise UserError(f"gin: {line}: give the file with --gin_file")
            read += _bindings(statement, None)
    return read


@contextlib.contextmanager
def explained(where: str = "") -> Iterator[None]:
    """Turns gin's errors into one line; `where` is put before it."""
    try:
        yield
    except UnicodeDecodeError:
        raise
    except _GIN_ERRORS as error:
        raise UserError(_explain(error, where)) from error


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint at a mistyped name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _find(name: str, folders: Sequence[pathlib.Path]) -> pathlib.Path:
    candidates = [folder / name for folder in folders]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    known = sorted({str(path.relative_to(folder)) for folder in folders[1:] for path in folder.rglob("*.gin")})
    raise UserError(f"no gin file {name!r}{nearest(name, known)}; looked in {', '.join(map(str, folders))}")


def _statements(text: TextIO | str, where: str = "") -> Iterator:
    with explained(where):
        parser = config_parser.ConfigParser(text, gin.config.ParserDelegate())
    while True:
        with explained(where):
            statement = next(parser, None)
        if statement is None:
            return
        yield statement


def _bindings(statement: config_parser.BindingStatement, source: Source | None) -> Iterator[Binding]:
    where = f"{source.name} line {statement.location.line_num}: " if source else ""
    if isinstance(statement, config_parser.ImportStatement):
        raise UserError(
            f"gin: {where}{statement.location.line_content.strip()}: a gin file imports no module, it names what "
            "spl_tf registers (python -m spl_tf.settings): remove the line; give a module of your own with --gin_import"
        )
    if isinstance(statement, config_parser.BlockDeclaration):
        return  # Its bindings come one by one.
    with explained(where):
        scope, selector, parameter, value, _ = statement
        if parameter:
            key = gin.config.ParsedBindingKey.parse((scope, selector, parameter))
            selector = key.complete_selector
            _require_setting(selector, parameter)
        elif scope:
            raise ValueError(f"macro {scope}/{selector}: a macro holds for all stages, give it a name without a scope")
        else:
            scope, selector, parameter = selector, MACRO, "value"
    yield Binding(scope, selector, parameter, value, source)


def _require_setting(selector: str, parameter: str) -> None:
    configurable = tables.configurables().get(selector)
    if configurable is None or parameter in (known := tables.settings(configurable)):
        return
    if parameter in inspect.signature(configurable.wrapped).parameters:
        raise ValueError(_set_by_program(configurable.name, parameter))
    owners = [other.name for other in tables.configurables().values() if parameter in tables.settings(other)]
    hint = f" (did you mean {owners[0]}.{parameter}?)" if len(owners) == 1 else nearest(parameter, known)
    raise ValueError(f"Configurable {configurable.name!r} doesn't have a parameter named {parameter!r}{hint}")


def _set_by_program(configurable: str, parameter: str) -> str:
    return f"{configurable}.{parameter} is set by the program itself: remove the binding"


def _explain(error: Exception, where: str) -> str:
    """gin's message on one line, with the nearest known name, or the binding it could not read."""
    if isinstance(error, RecursionError):
        return f"gin: {where}a value or a chain of macros is nested too deeply to be read: write it in fewer levels"
    text = str(error.args[0] if error.args else error)
    text = " ".join(re.split(r"\n\s*In (?:file|bindings string)", text)[0].split())
    if isinstance(error, SyntaxError) and (line := (error.text or "").strip()):
        place = f"{where.removesuffix(': ')} line {error.lineno}: " if where else ""
        return f"gin: {place}{_explain_syntax(text, line)}"
    if unknown := re.search(r"No configurable matching (?:reference )?'@?([^']+)'", text):
        known = [configurable.name for configurable in tables.configurables().values()]
        text += nearest(unknown[1].split("/")[-1].removesuffix("()"), known)
    elif unknown := re.search(r"Configurable '([^']+)' doesn't have a parameter named '([^']+)'\.", text):
        text += nearest(unknown[2], inspect.signature(gin.get_configurable(unknown[1])).parameters)
    elif given := re.search(r"Configurable '([^']+)' (?:has denylisted kwarg|doesn't include kwarg) '([^']+)'", text):
        text = _set_by_program(given[1], given[2])
    return f"gin: {where}{text}"


def _explain_syntax(text: str, line: str) -> str:
    """gin's message on a line it cannot read; mostly a text lacks its quotes, which the shell takes away."""
    name, _, value = (part.strip() for part in line.partition("="))
    if not re.search("Unable to parse value|Failed to parse token", text):
        return f"{line}: {text}"
    quoted = value if re.search("[\"'[({]", value) else f"'{value}'"
    example = f', e.g. --gin_param="{name}={quoted}"' if quoted != value else ""
    return f"{line}: no value that can be read; texts need quotes{example}"
