"""Runs a command as a user does, in this process."""

import contextlib
import io
from types import ModuleType

from spl_tf.command import execute


def run_command(module: ModuleType, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = execute(module.main, module.FLAGS, module.__doc__, [module.__name__, *arguments])
    return code, out.getvalue(), err.getvalue()


def last_line(text: str) -> str:
    return text.splitlines()[-1] if text else ""


def assert_mistake(result: tuple[int, str | list[str], str], message: str) -> None:
    """The command has told of the mistake in one line, and done nothing."""
    code, out, err = result
    assert code == 2, err
    assert not out, out
    assert message in err, err
    assert err.count("\n") == 1, err
