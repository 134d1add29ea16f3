"""gin files and bindings: found, parsed strictly, and refused with one clear line.

Nothing is registered here: whoever parses imports `spl_tf.configurables` first, as `command.parse_gin` does.
"""

import contextlib
import pathlib
import re
from collections.abc import Callable, Collection, Iterator, Sequence

import gin

from spl_tf import files
from spl_tf.bindings import macros, tables
from spl_tf.bindings.kinds import require_fitting
from spl_tf.bindings.precedence import hidden_in_files, put_over
from spl_tf.bindings.reading import explained, nearest, read_file, read_lines
from spl_tf.bindings.tables import Binding
from spl_tf.errors import UserError
from spl_tf.stages import STAGES

_PACKAGE = pathlib.Path(__file__).parent
_IN_A_STORE = re.compile(r"['\"](?!https?:)[a-z][a-z0-9+.-]*://")


def search_folders(extra: Sequence[str] = ()) -> list[pathlib.Path]:
    """Where gin files are looked for: here, `extra`, the installed package, `gin/` beside the package."""
    return [pathlib.Path.cwd(), *map(pathlib.Path, extra), _PACKAGE / "gin_files", _PACKAGE.parent / "gin"]


def parse(gin_files: Sequence[str], gin_params: Sequence[str] = (), search_path: Sequence[str] = ()) -> list[str]:
    """Parses gin files, then bindings, and locks the configuration.

    Args:
      gin_files: names looked for in `search_folders`; later files override earlier ones.
      gin_params: bindings such as "train_stage.epochs = 3"; they override the files, and one without a scope also
        what the files have for single stages.
      search_path: further folders to look in.

    Returns:
      Lines for the user: what `gin_params` removed, and what of a file an earlier one hides.

    Raises:
      UserError: a missing file, an unknown name (with the nearest known one), a syntax error, an import, a scope that
        is no stage, a macro that is undefined, circular or never used, or a value of another kind than the parameter's.
    """
    for what, texts in (("gin_files", gin_files), ("gin_params", gin_params), ("search_path", search_path)):
        if isinstance(texts, str):
            raise UserError(f"{what} = {texts!r}: give a list, e.g. [{texts!r}]")
    folders = search_folders(search_path)
    gin.clear_config()
    in_files = [binding for name in gin_files for binding in read_file(name, folders)]
    given = read_lines(gin_params)
    with explained():
        for binding in in_files:
            tables.bind(binding)
        lines = hidden_in_files(in_files, given) + put_over(given)
        _check([*in_files, *given])
        gin.finalize()
    return lines


@contextlib.contextmanager
def overridden(gin_params: Sequence[str]) -> Iterator[None]:
    """Puts bindings over the parsed configuration for the time of the block, as `parse` does with its `gin_params`.

    What the block used is not part of the operative configuration afterwards.

    Raises:
      UserError: as `parse`.
    """
    with tables.restored():
        with explained(), gin.unlock_config():
            given = read_lines(gin_params)
            put_over(given)
            _check(given)
        yield


def stage_bindings(stage: str, is_wanted: Callable[[str], bool] = bool) -> dict[str, str]:
    """What the configuration says to a stage: "resnet3d.depth" -> "18", macros replaced by their values.

    Args:
      stage: of STAGES; "" for what holds for all.
      is_wanted: tells by its full name, "spl_tf.models.resnet3d.resnet3d", whether a configurable counts; all do by
        default.
    """
    bindings: dict[str, str] = {}
    for wanted_scope in ("", stage):  # The stage's own bindings override the shared ones.
        bindings |= {
            binding.short_name: _without_macros(repr(binding.value))
            for binding in tables.bound()
            if binding.scope == wanted_scope and not binding.is_macro and is_wanted(binding.selector)
        }
    return bindings


def require_local(may_be_addresses: Collection[str]) -> None:
    """Refuses an address of a store where a setting takes local files only.

    Args:
      may_be_addresses: names of the settings that take both, as "train_stage.train_shards".

    Raises:
      UserError: another one is an address.
    """
    for binding in tables.bound():
        value = _without_macros(repr(binding.value))
        if not binding.is_macro and binding.short_name not in may_be_addresses and _IN_A_STORE.search(value):
            raise UserError(
                f"gin binding {binding.name} = {value} cannot lie in a store: give a local one (docs/remote.md)"
            )


def write_operative_config(path: files.Path) -> None:
    """Writes the parameters actually used so far, a gin file that repeats the run."""
    files.write_text(path, gin.operative_config_str())


def _without_macros(value: str) -> str:
    return re.sub(r"%([\w./]+)", lambda macro: _without_macros(repr(gin.query_parameter(f"%{macro[1]}"))), value)


def _check(read: Sequence[Binding]) -> None:
    """Everything that can be told before anything is built."""
    for binding in read:
        # gin ignores a binding whose scope is never entered: a typing error would go unnoticed.
        if not binding.is_macro and binding.scope and binding.scope not in STAGES:
            raise UserError(f"gin binding {binding.name}: no stage {binding.scope!r}{nearest(binding.scope, STAGES)}")
    macros.require_sound(read)
    require_fitting(tables.bound())
