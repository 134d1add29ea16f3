"""Every reader gives a value or one line for changed files: some drawn by a seed, and those that once did not."""

import pathlib
import random
import traceback

import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configurables  # noqa: F401  What a gin file may name.
from tools.fuzz.mutation import mutated
from tools.fuzz.readers import READERS
from tools.fuzz.trial import fault_of

_FOUND = pathlib.Path(__file__).parents[2] / "tools/fuzz/found"
_TRIALS = 25


class FuzzTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(*READERS)
    def test_a_changed_file_is_a_value_or_one_line(self, name):
        folder, reader = pathlib.Path(self.create_tempdir().full_path), READERS[name]
        reader.write(folder)
        whole = (folder / reader.file).read_bytes()
        chance = random.Random(name)
        found = [path.read_bytes() for path in sorted(_FOUND.glob(f"{name}-*"))]
        for content in [whole, *found, *(mutated(whole, chance) for _ in range(_TRIALS))]:
            if fault := fault_of(reader, folder, content):
                self.fail(f"{content[:200]!r}: {''.join(traceback.format_exception(fault))}")


if __name__ == "__main__":
    tf.test.main()
