"""What runs a command as tasks of a Ray cluster, with a stand-in for Ray that runs each task at once."""

import contextlib
import io
import sys
import types
from unittest import mock

from absl.testing import absltest

from tools.cluster import ray as door


def _ray(asked: list[dict]) -> types.ModuleType:
    """Its three functions that are used; tasks run when their results are asked for, the last one first."""
    module = types.ModuleType("ray")

    def remote(**options):
        asked.append(options)
        return lambda function: types.SimpleNamespace(remote=lambda *arguments: (function, arguments))

    def get(tasks):
        codes = {place: function(*arguments) for place, (function, arguments) in reversed([*enumerate(tasks)])}
        return [codes[place] for place in sorted(codes)]

    module.init = lambda address: asked.append({"address": address})
    module.remote, module.get = remote, get
    return module


class RayTest(absltest.TestCase):
    def run_door(self, *arguments, **modules):
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(sys.modules, modules),
            mock.patch.object(sys, "argv", ["ray.py"]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                return door.main(arguments), out.getvalue(), err.getvalue()
            except SystemExit as end:
                return end.code, out.getvalue(), err.getvalue()

    def test_every_task_is_the_command_with_its_number(self):
        asked = []
        ran = mock.Mock(side_effect=lambda module, **_: print(module, sys.argv[1:]))
        with mock.patch.object(door.runpy, "run_module", ran):
            code, out, _ = self.run_door(
                "--tasks=2", "--gpus=1", "--address=auto", "--", "spl_tf.predict", "--shards=D", ray=_ray(asked)
            )
        self.assertEqual(code, 0)
        self.assertEqual(
            out.splitlines(),
            [f"spl_tf.predict ['--shards=D', '--task={number}/2']" for number in (2, 1)],
        )
        # A worker that dies is started again, and none is used for a second task: it would keep the first one's flags.
        expected = {"num_cpus": 1, "num_gpus": 1, "max_retries": -1, "max_calls": 1}
        self.assertEqual(asked, [{"address": "auto"}, expected])

    def test_the_code_is_the_first_that_is_not_0(self):
        codes = iter([0, 2, 0])  # Of tasks 3, 2 and 1.
        with mock.patch.object(door.runpy, "run_module", side_effect=lambda *_, **__: sys.exit(next(codes))):
            code, _, _ = self.run_door("--tasks=3", "--", "spl_tf.shard", ray=_ray([]))
        self.assertEqual(code, 2)

    def test_a_command_is_run_as_it_is_in_a_shell(self):
        with contextlib.redirect_stdout(io.StringIO()) as out, mock.patch.object(sys, "argv", ["ray.py"]):
            self.assertEqual(door.run_task("spl_tf.label", ["--version"]), 0)
        self.assertStartsWith(out.getvalue(), "spl_tf ")

    def test_mistakes_are_one_line(self):
        for arguments, message in (
            (["--tasks=0", "--", "spl_tf.shard"], "spl_tf: --tasks=0: give at least 1\n"),
            (["--tasks=1", "--", "spl_tf.shard"], "spl_tf: Ray is missing: pip install 'spl_tf[ray]'\n"),
        ):
            self.assertEqual(self.run_door(*arguments, ray=None), (2, "", message))


if __name__ == "__main__":
    absltest.main()
