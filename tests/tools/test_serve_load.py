"""What the load tool counts, on clients that fail as they are told to; TF Serving's files by its own schema."""

import itertools
import os
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from google.protobuf import text_format

from spl_tf.errors import UserError
from tools.serve import load

FOLDER = pathlib.Path(load.__file__).parent


def _client(answers):
    """Gives or raises one answer after the other, without end."""
    answers, lock = itertools.cycle(answers), threading.Lock()

    def ask():
        with lock:
            answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return np.array(answer)

    return ask


class LoadTest(parameterized.TestCase, tf.test.TestCase):
    def test_failures_and_other_scores_are_counted_by_what_went_wrong(self):
        # The first of the ten answers is asked before the 19 that count.
        answers = [[0.25, 0.75]] * 6 + [[0.26, 0.74], [np.nan, 0.75], UserError("no\n answer"), [0.25, 0.750001]]
        found = load.run_load([_client(answers)] * 3, 19)
        self.assertEqual(found.failures, {"other scores than the first answer's": 4, "no answer": 2})
        self.assertLen(found.latencies, 13)
        self.assertEqual(found.lines()[-3:], ["6 failures", *found.lines()[-2:]])
        self.assertEqual(found.lines()[-1], "2 x no answer")

    def test_a_first_request_that_fails_is_the_users_mistake(self):
        with self.assertRaisesRegex(UserError, "no answer"):
            load.run_load([_client([UserError("no answer")])], 5)

    def test_memory_is_read_after_a_tenth_and_at_the_end(self):
        asked, read = itertools.count(), []

        def client():
            next(asked)
            return np.ones(1)

        def memory():
            read.append(None)
            return float(len(read))

        self.assertEqual(load.run_load([client], 20, memory).megabytes, [1.0, 2.0])
        self.assertEqual(load.run_load([client], 1, memory).megabytes, [3.0, 4.0])
        self.assertEqual(next(asked), 23)

    def test_percentiles_of_known_latencies(self):
        found = load.Load(seconds=2.0, latencies=[number / 1000 for number in range(101)])
        self.assertEqual(found.lines()[0], "101 requests in 2.0 s: 50.5 a second")
        self.assertEqual(found.lines()[1], "50 % within 50 ms, 90 % within 90 ms, 99 % within 99 ms, longest 100 ms")

    def test_memory_of_a_process_holds_what_it_allocates(self):
        before = load.resident_megabytes(os.getpid())
        block = np.ones(100_000_000, np.uint8)
        self.assertBetween(load.resident_megabytes(os.getpid()) - before, 90, 110)
        del block
        with self.assertRaisesRegex(UserError, "no such process"):
            load.resident_megabytes(1 << 30)

    @parameterized.parameters("client", "load")
    def test_the_manual_is_printed_without_tensorflow(self, name):
        code = (
            "import runpy, sys; sys.argv = ['x', '--help']; sys.modules['tensorflow'] = None; "
            f"runpy.run_module('tools.serve.{name}', run_name='__main__')"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--signature", done.stdout)

    def test_model_config_is_one_of_tf_serving(self):
        schema = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
        parsed = text_format.Parse((FOLDER / "model.config").read_text(), schema.ModelServerConfig())
        (model,) = parsed.model_config_list.config
        self.assertEqual((model.name, model.base_path), ("spl_tf", "/models/spl_tf"))
