"""The soak kills a small stand-in for a recipe: it hits every step, and it sees what a kill must not do."""

import collections
import contextlib
import io
import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap
import time
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command
from tools.soak import process, recipe
from tools.soak.kills import read_kills
from tools.soak.watching import START

STEPS = ("shards/web", "seed0/teacher", "seed0/weak/labels")

# Ten ticks a step, each noted in a file. `flaw` is what is wrong with it.
RECIPE = """
import json, os, pathlib, signal, sys, time

flaw, output_dir = sys.argv[1], pathlib.Path(sys.argv[2].removeprefix("--output_dir="))

def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text)
    os.replace(temporary, path)

def end(*_):
    os._exit(1 if flaw == "exit_code" else 143)

signal.signal(signal.SIGTERM, signal.SIG_IGN if flaw == "deaf" else end)
if flaw == "worker":
    import subprocess
    subprocess.Popen(["sleep", "30"])
time.sleep(0.03)
total = 0
for name in STEPS:
    folder = output_dir / name
    marker, ticks = folder / "step.json", folder / "ticks.txt"
    if not marker.exists() or json.loads(marker.read_text())["result"] is None:
        write(marker, json.dumps({"identity": {}, "result": None, "seconds": 0}))
        done = len(ticks.read_text()) if ticks.exists() else 0
        if done and flaw == "refuses":
            sys.exit(2)
        if done and flaw == "anew":
            print(f"{folder}: epochs was 3 and is 4; done anew", flush=True)
        if flaw == "temporary":
            write(folder / f".host.{os.getpid()}.tmp.model.keras", "half")
        for tick in range(done, 10):
            time.sleep(0.006)
            write(ticks, "x" * (tick + 1))
        if done and flaw == "result":
            write(folder / "wrong.txt", "1")
        if flaw == "temporary" and not done:
            (folder / f".host.{os.getpid()}.tmp.model.keras").unlink()
        write(marker, json.dumps({"identity": {}, "result": {}, "seconds": time.time()}))
    total += len(ticks.read_text()) + (folder / "wrong.txt").exists()
write(output_dir / "results.csv", f"strategy,top_1,seconds\\nweak,{total},{time.time()}\\n")
""".replace("STEPS", repr(STEPS))


class SoakTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.script = self.folder / "fake_recipe.py"
        self.script.write_text(RECIPE)
        self.output = self.folder / "soak"

    def _soak(self, flaw="none", kills=4, seed=0):
        """Exit code and what was printed."""
        fake = [sys.executable, "-I", "-S", str(self.script), flaw]
        argv = ["soak", "--gin_file=none", f"--output_dir={self.output}", f"--kills={kills}", f"--seed={seed}"]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = command.execute(lambda: recipe.soak(fake), recipe.FLAGS, recipe.__doc__, argv)
        return code, printed.getvalue()

    def _kills(self):
        return read_kills(self.output / "kills.csv")

    def test_every_step_is_hit_and_the_number_of_kills_reached(self):
        code, printed = self._soak(kills=8)
        self.assertEqual(code, 0, printed)
        kills = self._kills()
        self.assertGreaterEqual(len(kills), 8)
        self.assertContainsSubset({START, *STEPS}, {kill.step for kill in kills})
        self.assertEqual([kill.number for kill in kills], list(range(1, len(kills) + 1)))
        self.assertEqual({kill.exit_code for kill in kills if kill.signal == "SIGKILL"}, {-9})
        self.assertEqual({kill.exit_code for kill in kills if kill.signal == "SIGTERM"} - {143, -15}, set())
        self.assertEqual((self.output / "disturbed/seed0/teacher/ticks.txt").read_text(), "x" * 10)
        # The table counts what the log lists.
        counts = collections.Counter(kill.step for kill in kills)
        for step in STEPS:
            row = re.search(rf"^\| {step} .*", printed, re.M)[0].split("|")
            self.assertEqual(int(row[3]) + int(row[4]), counts[step])

    def test_a_finished_soak_is_only_judged_again_and_takes_no_other_recipe(self):
        self._soak()
        kills = self._kills()
        self.assertEqual(self._soak()[0], 0)
        self.assertEqual(self._kills(), kills)
        (self.output / "disturbed/results.csv").write_text("strategy,top_1,seconds\nweak,0,1\n")
        self.assertEqual(self._soak()[0], 1)
        code, printed = self._soak("result")
        self.assertEqual(code, 2)
        self.assertIn(f"{self.output} holds a soak of {sys.executable}", printed)

    @parameterized.parameters(
        ("result", r"FAULT .*disturbed/results.csv row 1 is .*'top_1': '3\d'.* and undisturbed .*'top_1': '30'"),
        ("temporary", r"FAULT .*disturbed/\S+/\.host\.\d+\.tmp\.model\.keras is left over"),
        ("exit_code", r"FAULT kill \d+: SIGTERM in \S+ gave exit code 1"),
        ("deaf", r"FAULT kill \d+: SIGTERM in \S+ gave exit code 0"),
        ("refuses", r"FAULT after kill \d+ the recipe gave exit code 2: see .*disturbed.log"),
        ("anew", r"FAULT .*disturbed.log: .*epochs was 3 and is 4; done anew"),
    )
    def test_what_a_kill_must_not_do_is_a_fault(self, flaw, fault):
        code, printed = self._soak(flaw)
        self.assertEqual(code, 1, printed)
        self.assertRegex(printed, fault)

    def test_a_refusal_that_does_not_come_again_stays_a_fault(self):
        self._soak("refuses")
        self.script.write_text(RECIPE.replace('flaw == "refuses"', "False"))
        code, printed = self._soak("refuses")
        self.assertEqual(code, 1, printed)
        self.assertRegex(printed, r"FAULT after kill \d+ the recipe gave exit code 2")
        self.assertNotEmpty((self.output / "disturbed/results.csv").read_text())

    def test_processes_left_alive_by_the_undisturbed_run_are_named_and_killed(self):
        with mock.patch.object(process, "_SECONDS_FOR_WORKERS", 0.2):
            code, printed = self._soak("worker")
        self.assertEqual(code, 2)
        self.assertEqual(printed.splitlines()[-1], "spl_tf: the undisturbed run left alive: sleep")

    def test_a_stopped_soak_takes_the_recipe_with_it(self):
        self.script.write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n")
        program = textwrap.dedent(f"""
            import sys
            from spl_tf import command
            from tools.soak import recipe
            fake = [sys.executable, "-I", "-S", {str(self.script)!r}]
            command.run(lambda: recipe.soak(fake), recipe.FLAGS, "")
        """)
        arguments = [sys.executable, "-c", program, "--gin_file=none", f"--output_dir={self.output}"]
        with subprocess.Popen(arguments, stderr=subprocess.DEVNULL, cwd=pathlib.Path(__file__).parents[2]) as soak:
            log = self.output / "undisturbed.log"
            while not (log.exists() and log.read_text().endswith("\n")):
                self.assertIsNone(soak.poll())
                time.sleep(0.02)
            soak.send_signal(signal.SIGTERM)
        self.assertEqual(soak.returncode, 143)
        with self.assertRaises(ProcessLookupError):
            os.kill(int(log.read_text()), 0)


if __name__ == "__main__":
    tf.test.main()
