"""Where a command's results may lie: not among those of others."""

import contextlib
import io
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from spl_tf import clean, command, evaluate, explain, export, files, inspect, label, output_folders, predict, train
from spl_tf import recipe as recipe_command
from spl_tf import shard as shard_command

_FLAGS = {
    predict: ("--model_dir=m", "--shards=s"),
    label: ("--predictions=p", "--strategy=spl"),
    clean: ("--model_dir=m", "--shards=s", "--method=cleannet_soft"),
    evaluate: ("--model_dir=m", "--shards=s"),
    explain: ("--model_dir=m", "--shards=s"),
    export: ("--model_dir=m",),
    train: ("--gin_file=demo.gin",),
    inspect: ("--shards=s",),
    recipe_command: ("--gin_file=demo.gin",),
    shard_command: ("--manifest=m.csv", "--classes=c.txt"),
}


class OutputFoldersTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        files.write_json(self.folder / "web" / "dataset.json", {"format_version": 1, "clips_per_class": {}})
        files.write_json(self.folder / "P" / "predictions.json", {"format_version": 1, "classes": []})
        files.write_json(self.folder / "L" / "summary.json", {"strategy": "spl", "class_names": []})
        files.write_json(self.folder / "M" / "model.json", {"format_version": 1, "clip_input": {}})

    @parameterized.parameters(*_FLAGS)
    def test_no_command_writes_into_a_folder_of_shards(self, module):
        flag = "model_dir" if module is train else "output_dir"
        folder = self.folder / "web" / "deep" / "er"
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr):
            arguments = ["prog", *_FLAGS[module], f"--{flag}={folder}"]
            code = command.execute(module.main, module.FLAGS, module.__doc__, arguments)
        self.assertEqual(code, 2)
        self.assertIn(f"--{flag}={folder} lies inside {self.folder / 'web'}, a folder of shards", stderr.getvalue())
        self.assertLen(stderr.getvalue().splitlines(), 1)
        self.assertFalse((self.folder / "web" / "deep").exists())

    @parameterized.parameters(
        ("web", "", "is a folder of shards"),
        ("web", output_folders.SHARDS, None),  # Where an earlier run goes on.
        ("web/new", output_folders.SHARDS, "lies inside .*web, a folder of shards"),
        ("P", output_folders.LABELS, "is a folder of predictions"),
        ("P/labels", output_folders.LABELS, "lies inside .*P, a folder of predictions"),
        ("L", output_folders.LABELS, None),
        ("L/predictions", output_folders.PREDICTIONS, "lies inside .*L, a folder of labels"),
        ("M", "", "is a folder of a trained network"),
        ("M", output_folders.NETWORK, None),
        ("M/evaluate-test", "", None),
        ("web/../beside", "", None),
        ("beside/deep", output_folders.PREDICTIONS, None),
    )
    def test_what_lies_where(self, name, own, message):
        refused = self.assertRaisesRegex(output_folders.UserError, message) if message else contextlib.nullcontext()
        with refused:
            output_folders.require_own_folder("output_dir", f"{self.folder}/{name}", own=own)

    def test_a_link_into_a_folder_of_shards_leads_there(self):
        (self.folder / "link").symlink_to(self.folder / "web")
        with self.assertRaisesRegex(output_folders.UserError, "lies inside .*web"):
            output_folders.require_own_folder("output_dir", self.folder / "link" / "p")

    def test_a_file_of_that_name_of_another_program_is_none(self):
        (self.folder / "summary.json").write_text('{"format_version": 1}')
        (self.folder / "dataset.json").write_text("[")
        output_folders.require_own_folder("output_dir", self.folder / "p")


if __name__ == "__main__":
    tf.test.main()
