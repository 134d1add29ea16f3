"""Lists the commands of spl_tf, and runs one: `spl_tf train ...` is `python -m spl_tf.train ...`."""

import ast
import difflib
import pathlib
import runpy
import sys

from spl_tf import __version__

# In the order of the work.
COMMANDS = (
    "shard",
    "index",
    "inspect",
    "train",
    "cross_validate",
    "predict",
    "combine",
    "label",
    "compare",
    "clean",
    "transition",
    "evaluate",
    "explain",
    "export",
    "recipe",
    "settings",
)


def main() -> int:
    """Runs what the shell's arguments name; returns the exit code, 2 where there is no such command."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h", "-help"):
        print(_listing())
        return 0
    if name == "--version":
        print(f"spl_tf {__version__}")
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        print(f"spl_tf: no command {name!r}{hint}; spl_tf --help lists them", file=sys.stderr)
        return 2
    sys.argv = [f"spl_tf {name}", *arguments]
    # As the module __main__, so that processes it spawns find it as they do after python -m.
    runpy.run_module(f"spl_tf.{name}", run_name="__main__", alter_sys=True)
    return 0


def _listing() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {_first_line(name)}" for name in COMMANDS]
    return "\n".join(
        [
            f"spl_tf {__version__}: weakly labelled videos and images turned into better pre-training.",
            "",
            "python -m spl_tf.COMMAND or spl_tf COMMAND; --help is its manual.",
            "",
            *lines,
        ]
    )


def _first_line(name: str) -> str:
    """Of a command's manual; read, not imported, for that takes longer."""
    path = pathlib.Path(__file__).with_name(f"{name}.py")
    manual = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return manual.split("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
