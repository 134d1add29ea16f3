"""Commands with all folders in a store: the bytes of local ones, on any machine; where they do not work they say so."""

import json
import os
import shutil
from unittest import mock

import keras
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import combine, evaluate, export, files, index, label, predict, shard, train, transition
from spl_tf.remote import addresses, mirror, stores
from tests.commands import assert_mistake, last_line, run_command
from tests.interrupted import stopped_at_checkpoint
from tests.remote.store_case import StoreCase

W = "memory://w"


class CommandsTest(StoreCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_videos, color_shards, tiny_bindings):
        self.videos, self.shards, self.bindings = color_videos, color_shards, tiny_bindings

    def setUp(self):
        super().setUp()
        self.gin = self.folder / "tiny.gin"
        self.gin.write_text("\n".join([*self.bindings, "train_stage.precision = 'float32'"]) + "\n")

    def run_here(self, module, *arguments):
        """Runs a command on a machine that has nothing of the store: its output."""
        self.on_another_machine()
        keras.utils.clear_session(free_memory=False)
        code, out, err = run_command(module, *arguments)
        self.assertEqual(code, 0, err)
        self.assertNotIn(str(self.cache), out)
        return out, err

    def train(self, model_dir, shards, *bindings):
        """The arguments that train a stage, with a checkpoint after every third step."""
        often = ["train_stage.checkpoint_seconds = 0", "train_stage.steps_per_loop = 3"]
        params = [f"--gin_param={binding}" for binding in (f"train_stage.train_shards = '{shards}'", *often, *bindings)]
        return [f"--gin_file={self.gin}", "--stage=teacher", f"--model_dir={model_dir}", *params]

    def stored(self, name):
        return self.store.cat(f"/w/{name}")

    def test_shards_are_those_of_the_local_disk_also_of_a_run_that_was_killed(self):
        self.store.put(f"{self.videos}/", "/w/videos/", recursive=True)
        lists = [f"--manifest={W}/videos/target.csv", f"--classes={W}/videos/classes.txt"]
        cut = ["--clip_seconds=0", "--fps=10", "--short_side=32", "--num_shards=3", "--workers=1"]
        put, kept = stores.upload, f"{W}/shards/target-00000-of-00003.tfrecord"

        def killed(path, address):
            if address.endswith(".tfrecord") and address != kept:
                raise SystemExit(9)
            return put(path, address)

        with (
            mock.patch.object(stores, "upload", killed),
            mock.patch.object(mirror, "push"),  # Nor does a killed one end well.
            self.assertRaises(SystemExit),
        ):
            run_command(shard, *lists, *cut, f"--output_dir={W}/shards")
        self.assertNotIn("shards/dataset.json", self.names())
        uploaded = []
        with mock.patch.object(stores, "upload", lambda path, to: (uploaded.append(to), put(path, to))[1]):
            out, err = self.run_here(shard, *lists, *cut, f"--output_dir={W}/shards")
        self.assertNotIn(kept, uploaded)
        self.assertEqual(uploaded[-1], f"{W}/shards/dataset.json")
        self.assertIn(f"{W}/shards: 12 clips", out)
        self.assertIn(f"{W}/shards: stores have no locks", err)
        for path in (self.shards / "target").glob("*"):
            if path.suffix in (".tfrecord", ".csv"):
                self.assertEqual(self.stored(f"shards/{path.name}"), path.read_bytes(), path)
        self.assertEmpty([name for name in self.names("w/shards") if name.startswith(".")])
        self.run_here(shard, f"--verify={W}/shards")

    @pytest.mark.slow
    def test_from_shards_to_a_test_all_is_as_on_the_local_disk(self):
        for path in self.shards.glob("*/[!.]*"):
            self.store.pipe(f"/w/shards/{path.relative_to(self.shards)}", path.read_bytes())
        local = self.folder / "local"
        run_command(train, *self.train(local / "teacher", self.shards / "target"))
        remote = self.train(f"{W}/teacher", f"{W}/shards/target")
        self.on_another_machine()
        with stopped_at_checkpoint(2):
            keras.utils.clear_session(free_memory=False)
            self.assertEqual(run_command(train, *remote)[0], 130)
            raise KeyboardInterrupt
        self.assertIn("teacher/checkpoints/ckpt-2.index", self.names())
        self.assertNotIn("teacher/finished.json", self.names())
        self.run_here(train, *remote)
        self.assertEqual(
            self.stored("teacher/backbone.weights.h5"), (local / "teacher/backbone.weights.h5").read_bytes()
        )

        for root, shards in ((local, self.shards), (W, f"{W}/shards")):
            made = [f"--model_dir={root}/teacher", f"--shards={shards}/web", f"--output_dir={root}/predictions"]
            self.run_here(predict, *made)
            labels = [f"--predictions={root}/predictions", "--strategy=spl_b", f"--output_dir={root}/labels"]
            self.run_here(label, *labels)
            self.run_here(evaluate, f"--model_dir={root}/teacher", f"--shards={shards}/test")
            self.run_here(transition, f"--labels={root}/labels", f"--output={root}/matrix.npy")
        compared = [*local.glob("*/*.parquet"), *local.glob("teacher/evaluate-test/*.csv"), local / "matrix.npy"]
        self.assertLen(compared, 3 + 3 + 1 + 1)
        for path in compared:
            self.assertEqual(self.stored(path.relative_to(local)), path.read_bytes(), path)
        self.assertEqual(json.loads(self.stored("predictions/predictions.json"))["model_dir"], f"{W}/teacher")
        summary = json.loads((local / "labels/summary.json").read_text())
        self.assertEqual(json.loads(self.stored("labels/summary.json")), summary)

        self.run_here(export, f"--model_dir={W}/teacher", f"--output_dir={W}/served")
        self.assertIn("served/1/saved_model.pb", self.names())
        self.assertEmpty([name for name in self.names() if ".tmp." in name or ".lock" in name or ".progress" in name])
        self.assertEmpty([name for name in self.names() if str(self.cache).encode() in self.stored(name)])

    def test_a_damaged_shard_of_a_store_is_named_by_its_address(self):
        shutil.copytree(self.shards / "target", self.folder / "target")
        self.store.put(f"{self.folder}/target/", "/w/target/", recursive=True)
        name = next(name for name in self.names("w/target") if name.endswith(".tfrecord"))
        damaged = bytearray(self.stored(f"target/{name}"))
        damaged[len(damaged) // 2] ^= 1
        self.store.pipe(f"/w/target/{name}", bytes(damaged))
        code, out, _ = run_command(shard, f"--verify={W}/target")
        self.assertEqual(code, 1)
        self.assertIn("FAULT", out)
        code, _, err = run_command(train, *self.train(f"{W}/m", f"{W}/target"))
        self.assertEqual(code, 2)
        self.assertIn(f"a record of {W}/target can't be read", last_line(err))

    @parameterized.parameters(
        (
            index,
            ["--records=memory://w/x-*", "--classes=c.txt", "--output_dir=D"],
            "--records=memory://w/x-* cannot be used",
        ),
        (
            index,
            ["--records=x-*", "--classes=c.txt", "--output_dir=memory://w/D"],
            "--output_dir=memory://w/D cannot be used",
        ),
        (shard, ["--manifest=memory://w/none.csv"], "memory://w/none.csv does not exist, or is no file"),
        (shard, ["--manifest=https://a/x.csv"], "--manifest=https://a/x.csv cannot be used: give a local one"),
        (shard, ["--manifest=s3://../x"], "s3://../x is no address of a store"),
        (shard, ["--verify=memory://w/none"], "memory://w/none/dataset.json does not exist: run spl_tf.shard"),
        (label, ["--predictions=nosuch://b/x", "--strategy=spl", "--output_dir=L"], "nosuch:// is no scheme"),
        (
            combine,
            ["--predictions=memory://w/a", "--predictions=b", "--output_dir=memory://w/c"],
            "memory://w/a/predict",
        ),
    )
    def test_a_mistake_is_one_line(self, module, arguments, message):
        code, _, err = run_command(module, *arguments)
        self.assertEqual(code, 2, err)
        self.assertIn(message, last_line(err))
        self.assertFalse(os.path.exists("memory:"))

    def test_tasks_and_other_settings_are_refused(self):
        lists = [f"--manifest={self.videos}/web.csv", f"--classes={self.videos}/classes.txt", "--label_column=query"]
        code, out, err = run_command(shard, *lists, f"--output_dir={W}/D", "--task=1/2")
        self.assertEqual(code, 2, out)
        self.assertIn(f"--task and --output_dir={W}/D: tasks share out work by locks", last_line(err))
        matrix = "train_stage.loss = @forward_correction", f"forward_correction.transition = '{W}/matrix.npy'"
        code, out, err = run_command(train, *self.train(self.folder / "m", self.shards / "target", *matrix))
        self.assertIn(f"= '{W}/matrix.npy' cannot lie in a store: give a local one", last_line(err))
        self.assertEqual(code, 2, out)

    def test_an_address_of_the_web_may_be_a_clips_id(self):
        result = run_command(
            predict, "--model_dir=m", "--output_dir=o", "--video=none.mp4", "--gin_param=x='https://a'"
        )
        assert_mistake(result, "gin")
        self.assertIsNone(addresses.address_of(files.unused_name(self.folder)))


if __name__ == "__main__":
    tf.test.main()
