import json
import pathlib
import shutil
import subprocess

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import shard
from tests.commands import assert_mistake, last_line, run_command

ROOT = pathlib.Path(__file__).parents[1]
GOLDEN = ROOT / "tfrecords_spec/golden"


class ShardCommandTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        (self.folder / "classes.txt").write_text("a\nb\n")
        cv2.imwrite(str(self.folder / "i.png"), np.full((30, 60, 3), 9, np.uint8))
        (self.folder / "m.csv").write_text("path,label\ni.png,b\nnone.mp4,a\n")

    def execute(self, *arguments):
        """Runs the command in this process: exit code, stdout, last line of stderr."""
        code, out, err = run_command(shard, *arguments)
        return code, out, last_line(err)

    def test_makes_shards_and_verifies_them(self):
        output = self.folder / "D"
        inputs = [f"--manifest={self.folder}/m.csv", f"--classes={self.folder}/classes.txt"]
        code, out, _ = self.execute(*inputs, f"--output_dir={output}", "--workers=1")
        self.assertEqual(code, 0)
        self.assertIn("1 clips of 1 videos in 1 shards", out)
        self.assertIn("rejected 1 (no such file 1): see rejected.csv", out)
        description = json.loads((output / "dataset.json").read_text())
        self.assertEqual((description["fps"], description["short_side"]), (25.0, 256))
        self.assertEqual(self.execute(f"--verify={output}")[0], 0)

    def test_verify_exits_with_1_on_a_fault(self):
        shutil.copytree(GOLDEN, self.folder / "G")
        (self.folder / "G/golden-00000-of-00002.tfrecord").unlink()
        code, out, _ = self.execute(f"--verify={self.folder}/G")
        self.assertEqual(code, 1)
        self.assertIn("FAULT golden-00000-of-00002 is missing", out)

    @parameterized.parameters(
        ([], "--manifest --classes --output_dir missing: needed to make shards (--verify=D checks a folder of them)"),
        (["--manifest=m.csv"], "--classes --output_dir missing"),
        (["--manifest=m.csv", "--classes=none", "--output_dir=D"], "none does not exist: give a text file"),
        (["--verify=none", "--fps=3", "--workers=1"], "--fps --workers would change nothing: --verify checks a folder"),
        (["--verify=none"], "none/dataset.json does not exist: run spl_tf.shard"),
        (["--fsp=3"], "Unknown command line flag 'fsp'"),
    )
    def test_a_mistake_is_one_line_and_exit_code_2(self, arguments, message):
        code, _, last_line = self.execute(*arguments)
        self.assertEqual(code, 2)
        self.assertIn(message, last_line)

    @parameterized.parameters(
        ("--manifest={0}/none.csv", "none.csv is no file: check --manifest"),
        ("--manifest={0}", "whose files are read: choose another --output_dir"),
        ("--exclude={0}/none.csv", "none.csv is no file: check --exclude"),
        ("--frames_fps=0", "frames_fps is 0.0: it must be 0.001 to 1000"),
        ("--exclude={0}/classes.txt", "classes.txt names no video"),
        ("--output_dir={0}/m.csv", "m.csv is not a folder"),
        ("--classes={0}/twice.txt", "names 'a' on lines 1 and 2"),
        ("--classes={0}/empty.txt", "holds no classes"),
        ("--label_column=query", "has no column 'query' (it has path, label)"),
        ("--fps=0", "fps is 0.0: it must be above 0"),
        ("--fps=nan", "fps is nan: it must be above 0"),
        ("--clip_seconds=-1", "clip_seconds is -1.0: it must be 0 (the whole video) or up to 86400 seconds"),
        ("--clip_seconds=1e308", "clip_seconds is 1e+308: it must be 0"),
        ("--short_side=0", "short_side is 0: it must be 1 to 8192 pixels"),
        ("--workers=0", "workers is 0"),
        ("--seconds_per_video=0", "seconds_per_video 0.0: both must be above 0"),
        ("--seed=-1", "seed is -1: it must be 0 or more"),
    )
    def test_a_bad_value_is_one_line_and_makes_no_shard(self, argument, message):
        (self.folder / "twice.txt").write_text("a\na\n")
        (self.folder / "empty.txt").touch()
        before = {path.name for path in self.folder.iterdir()}
        paths = [f"--manifest={self.folder}/m.csv", f"--classes={self.folder}/classes.txt"]
        arguments = (*paths, f"--output_dir={self.folder}/D", argument.format(self.folder))
        assert_mistake(run_command(shard, *arguments), message)
        after = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}
        self.assertContainsSubset(after, before | {"D", "D/.lock"})

    @parameterized.parameters(
        ("ro", "the file system is read-only"), ("size=80k", "the disk is full: {0}/D/.progress/spool-")
    )
    def test_a_disk_that_takes_nothing_is_one_line_and_exit_code_2(self, option, message):
        noise = np.random.default_rng(0).integers(0, 256, (256, 512, 3), np.uint8)
        cv2.imwrite(str(self.folder / "i.png"), noise)
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", disk], capture_output=True)
        if mounted.returncode:
            self.skipTest(f"no right to mount a small file system: {mounted.stderr.decode()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", disk], check=True)
        inputs = [f"--manifest={self.folder}/m.csv", f"--classes={self.folder}/classes.txt", "--workers=1"]
        code, _, last_line = self.execute(*inputs, f"--output_dir={disk}/D")
        self.assertEqual(code, 2)
        self.assertIn(message.format(disk), last_line)
