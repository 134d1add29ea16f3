"""The frame every command runs in: flags in, exit code out.

Exit codes: 0 success, 1 a check failed (`shard --verify`, `inspect`), 2 a mistake of the
user's or a full or read-only disk (one line, no traceback), 75 when another host of a
training was lost, 130 after Ctrl-C, 143 after SIGTERM with the state saved. A defect of
ours shows its traceback.
"""

import contextlib
import dataclasses
import errno
import importlib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Sequence

from absl import flags

from spl_tf import __version__
from spl_tf.claims import LEASE_SECONDS, Task, task_of
from spl_tf.errors import HostEndedError, Terminated, UserError
from spl_tf.folder_flags import WithAddresses, open_places
from spl_tf.light_start import light_start
from spl_tf.quiet_start import quiet_start
from spl_tf.remote import addresses
from spl_tf.stages import STAGES

FILE_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EEXIST: "a file is in the way of a folder",
    errno.ENOTDIR: "a file is in the way of a folder",
    errno.EISDIR: "a folder is in the way of a file",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EFBIG: "the file is larger than the system allows",
    errno.ENOENT: "no such file or folder",  # Also where a system folder takes none, e.g. /proc.
    errno.ELOOP: "a link leads back to itself",
    errno.ESTALE: "the file server has lost the file",
    errno.EIO: "the disk reports an error",
    errno.ENOLCK: "the file system has no locks",
}

# Settings that may be addresses.
_MAY_LIE_IN_STORES = (
    "train_stage.train_shards",
    "train_stage.labels_dir",
    "train_stage.validation_shards",
    "train_stage.init_weights",
    "video_folder.folder",
)

_SECONDS_TO_LEAVE_DESTRUCTOR = 0.05


def run(
    main: Callable[[], int | None], flag_values: flags.FlagValues, manual: str, argument: str | None = None
) -> None:
    """Runs a command from the shell's arguments and exits with its code; see `execute`."""
    sys.exit(execute(main, flag_values, manual, sys.argv, argument))


def execute(
    main: Callable[[], int | None],
    flag_values: flags.FlagValues,
    manual: str,
    argv: Sequence[str],
    argument: str | None = None,
) -> int:
    """Parses `argv` into `flag_values`, calls `main` and returns the exit code.

    Args:
      main: the command; reads `flag_values`, returns None or an exit code.
      flag_values: the command's own flags.
      manual: the entry module's docstring, printed by --help.
      argv: program name and arguments.
      argument: the flag that an argument without dashes is the value of; None where there is no such argument.
    """
    if "--version" in argv[1:]:
        print(f"spl_tf {__version__}")
        return 0
    if any(argument in ("--help", "-h", "-help") for argument in argv[1:]):
        print(f"{manual.strip()}\n\nFlags:\n{_flags_help(flag_values)}")
        return 0
    for name in flag_values:
        flag_values[name].unparse()  # A second call in one process starts from the defaults.
    previous_handler = signal.signal(signal.SIGTERM, _terminate)
    previous_hook, sys.unraisablehook = sys.unraisablehook, _raise_again
    try:
        if os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "True", "true"):
            raise UserError("TF_USE_LEGACY_KERAS is set and spl_tf needs Keras 3: unset it")
        rest = flag_values(argv)[1:]
        if rest and argument and flag_values[argument].value is None:
            flag_values[argument].value = rest.pop(0)
        if rest:
            raise UserError(f"unexpected argument {rest[0]!r}: every option is a --flag, see --help")
        with quiet_start(), light_start(), contextlib.ExitStack() as shown:
            if open_places(flag_values):
                shown.enter_context(contextlib.redirect_stdout(WithAddresses(sys.stdout)))
            return main() or 0
    except BaseException as error:
        if (explained := explain(error)) is None:
            raise
        line, code = explained
        print(f"spl_tf: {line}", file=sys.stderr, flush=True)
        return code
    finally:
        signal.signal(signal.SIGTERM, previous_handler)
        sys.unraisablehook = previous_hook


def explain(error: BaseException) -> tuple[str, int] | None:
    """What a command says of an error, in one line, and exits with; None for a defect, which shows its traceback."""
    found: tuple[str, int] | None = None
    match error:
        case UserError():
            found = str(error), 2
        case HostEndedError():
            found = str(error), error.code
        case flags.Error():
            missing = re.findall(r"Flag (--\w+) must have a value other than None", str(error))
            found = (f"{' '.join(missing)} missing, see --help" if missing else str(error)), 2
        case OSError():
            number, filename = _errno_and_file(error)
            if number in FILE_ERRORS:
                found = f"{FILE_ERRORS[number]}: {filename or error}", 2
        case RuntimeError() if "Required bindings" in str(error):  # gin's word for a binding that nobody gave
            found = f"gin: {error}: give them with --gin_param or in the gin file", 2
        case KeyboardInterrupt():
            found = str(error) or "interrupted; the same command goes on from here", 130
        case Terminated():
            found = str(error) or "terminated; the same command goes on from here", 143
        case Exception() if "No space left on device" in str(error):  # TensorFlow's own, of what it writes itself.
            found = f"the disk is full: {str(error).splitlines()[0]}", 2
    if found is None:
        return None
    message = found[0].split("\n  In call to configurable")[0]  # gin appends where it was called from.
    return addresses.with_addresses(" ".join(message.split())), found[1]


def _errno_and_file(error: OSError) -> tuple[int | None, str | None]:
    """Around what a configurable raises gin puts a proxy, whose own errno is empty; the original's is behind it."""
    original = getattr(error, "__getattr__", None)
    return (original("errno"), original("filename")) if original else (error.errno, error.filename)


def define_gin_flags(flag_values: flags.FlagValues) -> None:
    """Adds --gin_file, --gin_param and --gin_search_path to a command."""
    flags.DEFINE_multi_string(
        "gin_file", None, "gin file, repeatable; later files override earlier ones.", flag_values=flag_values
    )
    flags.DEFINE_multi_string(
        "gin_param",
        [],
        'gin binding, repeatable, e.g. "train_stage.epochs = 3"; python -m spl_tf.settings lists them. It overrides '
        "the files: without a scope for every stage, even where a file has it for one stage; with one, as in "
        '"pretrain/train_stage.epochs = 3", for that stage. Of two for the same the later one holds.',
        flag_values=flag_values,
    )
    flags.DEFINE_multi_string(
        "gin_search_path", [], "Folder to look for gin files in, repeatable.", flag_values=flag_values
    )
    flags.DEFINE_multi_string(
        "gin_import",
        [],
        "Python module of your own that is run before the gin files are read, repeatable: they may then name what it "
        "registers with gin. Modules are imported from here alone: an import in a gin file is refused.",
        flag_values=flag_values,
    )


def define_stage_flag(flag_values: flags.FlagValues) -> None:
    """Adds --stage to a command."""
    flags.DEFINE_enum("stage", None, list(STAGES), "Stage whose gin scope is entered.", flag_values=flag_values)


def define_task_flags(flag_values: flags.FlagValues) -> None:
    """Adds --task and --lease_seconds to a command."""
    flags.DEFINE_string(
        "task",
        None,
        "i/n: this process is the i-th of n that do the work together, on any hosts; i from 1 to n.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "lease_seconds",
        LEASE_SECONDS,
        "A task that shows no sign of life for so long is dead to the others; the same for all tasks.",
        flag_values=flag_values,
    )


def task(flag_values: flags.FlagValues) -> Task | None:
    """The task of the flags of `define_task_flags`; None for a run that is alone."""
    if flag_values.task is None:
        require_unset(flag_values, ["lease_seconds"], "without --task there are no leases")
        return None
    if address := addresses.address_of(flag_values.output_dir or ""):
        raise UserError(f"--task and --output_dir={address}: tasks share out work by locks, which stores do not have")
    return dataclasses.replace(task_of(flag_values.task, flag_values.lease_seconds), version=__version__)


def require_flags(flag_values: flags.FlagValues, *names: str) -> None:
    """Raises UserError that names the flags without a value, all at once; an empty text is none."""
    if absent := [f"--{name}" for name in names if not flag_values[name].value]:
        raise UserError(f"{' '.join(absent)} missing, see --help")


def require_unset(flag_values: flags.FlagValues, names: Iterable[str], why: str) -> None:
    """Raises UserError that names the flags that were given, all at once: they would have no effect."""
    if given := [f"--{name}" for name in names if flag_values[name].present]:
        raise UserError(f"{' '.join(given)} would change nothing: {why}")


def parse_gin(flag_values: flags.FlagValues) -> None:
    """Parses what the flags of `define_gin_flags` say, and tells what they override; imports TensorFlow."""
    from spl_tf import (
        configurables,  # noqa: F401  Registers everything a file may name.
        configuration,
    )

    for module in flag_values.gin_import:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UserError(
                f"--gin_import={module}: {error}; give a module's name, e.g. my_losses for a my_losses.py in a folder "
                "on PYTHONPATH"
            ) from error
    lines = configuration.parse(flag_values.gin_file or (), flag_values.gin_param, flag_values.gin_search_path)
    for line in lines:
        print(f"gin: {line}", file=sys.stderr, flush=True)
    configuration.require_local(_MAY_LIE_IN_STORES)


def _terminate(signal_number, frame):
    raise Terminated()


def _raise_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """Sends a signal again that came during a destructor: Python drops what a destructor raises."""
    repeated = {Terminated: signal.SIGTERM, KeyboardInterrupt: signal.SIGINT}.get(unraisable.exc_type)
    if repeated is None:
        sys.__unraisablehook__(unraisable)
    else:
        threading.Timer(_SECONDS_TO_LEAVE_DESTRUCTOR, os.kill, (os.getpid(), repeated)).start()


def _flags_help(flag_values: flags.FlagValues) -> str:
    """One entry per flag: name, default and help."""
    entries = []
    for name in sorted(flag_values):
        flag = flag_values[name]
        default = "" if flag.default in (None, [], False) else f" (default: {flag.default})"
        value = "" if flag.boolean else "=..."
        entries.append(f"  --{name}{value}{default}\n      {flag.help}")
    return "\n".join(entries)
