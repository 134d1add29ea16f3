"""The same for one reader, guided by which lines of Python a file reaches: for those that are written in it.

  python -m tools.fuzz.guided gin -max_total_time=60 runs/fuzz/corpus

Needs atheris. What follows the reader's name is libFuzzer's; a find ends the run and is written beside.
"""

import pathlib
import shutil
import sys
import tempfile

import atheris

with atheris.instrument_imports(include=["spl_tf", "gin"]):
    from spl_tf import configurables  # noqa: F401
    from tools.fuzz.readers import READERS
    from tools.fuzz.trial import fault_of


def main() -> None:
    name = sys.argv.pop(1)
    reader, folder = READERS[name], pathlib.Path(tempfile.mkdtemp())
    reader.write(folder)
    seeds = pathlib.Path(tempfile.mkdtemp())
    shutil.copy(folder / reader.file, seeds)

    def try_one(content: bytes) -> None:
        if fault := fault_of(reader, folder, content):
            raise fault

    atheris.Setup([*sys.argv, str(seeds)], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
