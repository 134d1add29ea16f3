"""Commands in a folder that is in use, cannot be made or has no room: one line, exit code 2, nothing half-written."""

import contextlib
import importlib
import io
import json
import pathlib
import resource
import subprocess
import sys

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command
from spl_tf.data.dataset import load_dataset
from spl_tf.data.verify import verify
from spl_tf.errors import UserError
from spl_tf.files import locked
from spl_tf.labels import predictions, sidecar_files

ROOT = pathlib.Path(__file__).parents[1]
NAME = "web-00000-of-00001"


class FoldersTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        noise = np.random.default_rng(0).integers(0, 256, (6, 128, 256, 3), np.uint8)
        for number, picture in enumerate(noise):
            cv2.imwrite(str(self.folder / f"i{number}.png"), picture)
        rows = "".join(f"i{number}.png,a\n" for number in range(6))
        (self.folder / "m.csv").write_text("path,label\n" + rows)
        (self.folder / "classes.txt").write_text("a\n")
        (self.folder / "empty.gin").touch()
        made = predictions.Predictions(
            self.folder / "P",
            ("a", "b"),
            {NAME: sidecar_files.Header(900, "f", sidecar_files.ids_digest(["x"] * 900), {})},
        )
        random = np.random.default_rng(0).integers(0, 2, (2, 900))
        sidecar_files.write_predictions(
            made.path(NAME),
            clip_ids=["x"] * 900,
            weak=random[0],
            teacher=random[1],
            confidence=np.ones(900),
            shard_fingerprint="f",
            made_by={},
        )
        predictions.write_index(made, {})

    def arguments(self, name, output):
        inputs = f"--manifest={self.folder}/m.csv --classes={self.folder}/classes.txt --workers=1 --num_shards=2"
        model = f"--model_dir={self.folder}/M --shards={self.folder}/D"
        return {
            "shard": [*inputs.split(), f"--output_dir={output}"],
            "label": [f"--predictions={self.folder}/P", "--strategy=spl", f"--output_dir={output}"],
            "predict": [*model.split(), f"--output_dir={output}"],
            "evaluate": [*model.split(), f"--output_dir={output}"],
            "train": [f"--gin_file={self.folder}/empty.gin", f"--model_dir={output}"],
            "recipe": [f"--gin_file={self.folder}/empty.gin", f"--output_dir={output}"],
        }[name]

    def complaint(self, name, output):
        """The only line a command prints about its failure."""
        module, stderr = importlib.import_module(f"spl_tf.{name}"), io.StringIO()
        arguments = self.arguments(name, output)
        with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(io.StringIO()):
            code = command.execute(module.main, module.FLAGS, module.__doc__, [name, *arguments])
        self.assertEqual(code, 2, stderr.getvalue())
        lines = [line for line in stderr.getvalue().replace("\r", "\n").splitlines() if line.startswith("spl_tf:")]
        self.assertLen(lines, 1)
        return lines[0]

    @parameterized.parameters("shard", "label", "predict", "evaluate", "train", "recipe")
    def test_a_second_run_in_a_folder_is_refused(self, name):
        output = self.folder / "out"
        with locked(output, "the first run"):
            self.assertRegex(self.complaint(name, output), f"{output} is in use by another run: wait for it or choose")
        self.assertEqual([path.name for path in output.iterdir()], [".lock"])

    @parameterized.product(
        name=["shard", "label", "predict", "evaluate", "train", "recipe"], place=["{}/m.csv/below", "/proc/none/such"]
    )
    def test_a_place_where_no_folder_can_be_is_named(self, name, place):
        output = place.format(self.folder)
        self.assertIn(output, self.complaint(name, output))

    def run_with_limit(self, name, output, largest_file):
        """Runs a command that may write no larger file, as on a disk that is full."""
        return subprocess.run(
            [sys.executable, "-m", f"spl_tf.{name}", *self.arguments(name, output)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY)),
        )

    @parameterized.parameters(("shard", 40_000), ("label", 600))
    def test_without_room_nothing_is_half_written_and_the_same_command_goes_on(self, name, largest_file):
        output = self.folder / "out"
        done = self.run_with_limit(name, output, largest_file)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertRegex(done.stderr.splitlines()[-1], "^spl_tf: .*(larger than the system allows|cannot be written)")
        self.assertEmpty([path for path in output.rglob("*") if ".tmp." in path.name])
        self.assertFalse((output / "dataset.json").exists() or (output / "summary.json").exists())
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            module = importlib.import_module(f"spl_tf.{name}")
            arguments = [name, *self.arguments(name, output)]
            self.assertEqual(command.execute(module.main, module.FLAGS, module.__doc__, arguments), 0)
        if name == "shard":
            self.assertEqual(load_dataset(output).num_clips, 6)
            self.assertEmpty(verify(output).faults)
        else:
            self.assertEqual(json.loads((output / "summary.json").read_text())["clips"], 900)

    def test_a_description_cut_anywhere_is_refused_and_flipped_anywhere_is_refused_or_found(self):
        arguments = ["shard", *self.arguments("shard", self.folder / "D")]
        module = importlib.import_module("spl_tf.shard")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(command.execute(module.main, module.FLAGS, module.__doc__, arguments), 0)
        path = self.folder / "D/dataset.json"
        content = path.read_bytes()
        for size in range(0, len(content) - 1, 7):
            path.write_bytes(content[:size])
            with self.assertRaisesRegex(UserError, "dataset.json is damaged"):
                load_dataset(self.folder / "D")
        end = content.index(b'"jpeg_quality"')  # Nothing in the records shows the quality.
        unnoticed = []
        for place in np.random.default_rng(0).integers(end, size=60):
            flipped = bytearray(content)
            flipped[place] ^= 1 << (place % 7)
            path.write_bytes(flipped)
            with contextlib.suppress(UserError), contextlib.redirect_stderr(io.StringIO()):
                if not verify(self.folder / "D").faults and not content[place : place + 1].isspace():
                    unnoticed.append((int(place), bytes(flipped[place - 10 : place + 10])))
        self.assertEmpty(unnoticed)
