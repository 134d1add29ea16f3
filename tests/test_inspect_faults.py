"""Damaged shards, side-cars of others and mistakes: what is left out of the counts and sheets, and what is refused."""

import json
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from spl_tf import checksums
from spl_tf.labels.assign import assign_labels
from tests.commands import assert_mistake
from tests.inspect_case import NUM_SHARDS, InspectCase, clip_id
from tests.labels.label_folders import without_figures


class InspectFaultsTest(InspectCase):
    def _damage(self, row):
        """Flips a bit in the middle of a record of the second shard."""
        path = self.shards / f"web-00001-of-{NUM_SHARDS:05d}.tfrecord"
        content = bytearray(path.read_bytes())
        offset = 0
        for _ in range(row):
            offset += 16 + int.from_bytes(content[offset : offset + 8], "little")
        content[offset + int.from_bytes(content[offset : offset + 8], "little") // 2] ^= 1
        path.write_bytes(content)

    def test_letters_without_a_font_are_named(self):
        with mock.patch("matplotlib.font_manager.findSystemFonts", return_value=[]):
            description = json.loads((self.shards / "dataset.json").read_text())
            text = json.dumps(description, ensure_ascii=False).replace("surfing", "弓道")
            checksums.complete(self.shards, {}, "dataset.json", text)
            lines, _, _ = self.draw("--clips=1", "--frames=1")
        self.assertIn("no installed font has 弓道: install one, e.g. fonts-noto-cjk", lines)

    def test_a_damaged_record_is_set_aside_and_counted(self):
        self._damage(3)
        lines, listed, _ = self.draw("--clips=20", "--frames=1")
        self.assertEqual({row["clip_id"] for row in listed}, {clip_id(row) for row in range(60) if row != 15 + 3})
        verify = f"python -m spl_tf.shard --verify={self.shards}"
        self.assertIn(f"1 drawn clips can't be read: {verify} names their records", lines)
        code, lines, _ = self.run_command()
        self.assertEqual(code, 1)
        self.assertIn("web-00001-of-00004 record 3 is damaged", "\n".join(lines))
        self.assertRegex(lines[-1], r"^\d+ faults$")

    def test_a_missing_shard_costs_only_its_clips(self):
        predictions = self.write_predictions()
        (self.shards / "web-00002-of-00004.tfrecord").unlink()
        lines, listed, _ = self.draw("--clips=20", "--frames=1", predictions)
        self.assertEqual({row["clip_id"] for row in listed}, {clip_id(row) for row in range(60) if row // 15 != 2})
        self.assertIn("15 records can't be read", "\n".join(lines))
        self.assertIn("15 drawn clips can't be read", "\n".join(lines))
        self.assertIn("video time about, by 45 clips: 48.0 s (0:00:48)", lines)

    @parameterized.parameters(
        (["--shards=nowhere"], "dataset.json does not exist: run spl_tf.shard"),
        (["--per=video"], "per"),
        (["--per=cell"], "predictions are missing (a cell is a weak label and the teacher's prediction)"),
        (["--labels=L"], "predictions are missing (labels are made from them)"),
        (["--predictions=nowhere"], "predictions.json does not exist: run spl_tf.predict first"),
        (["--only=surfin"], "D has no class 'surfin' (is it 'surfing'?)"),
        (["--only=surfing", "--per=cell"], "--only would change nothing: it chooses classes"),
        (["--clips=0"], "clips"),
        (["--frames=17"], "frames"),
    )
    def test_a_mistake_is_one_line_and_exit_code_2(self, arguments, message):
        assert_mistake(self.run_command(*arguments, f"--output_dir={self.output}"), message)
        self.assertFalse(self.output.exists())

    def test_options_of_sheets_without_sheets_are_refused(self):
        message = "--rows --seed would change nothing: contact sheets are drawn with --output_dir alone"
        assert_mistake(self.run_command("--seed=3", "--rows=2"), message)

    def test_side_cars_of_other_shards_are_refused(self):
        code, _, err = self.run_command(self.write_predictions(fingerprint="another"))
        self.assertEqual(code, 2)
        self.assertIn(f"{self.shards} has the shard web-00000-of-00004, but {self.predictions} lists another one", err)
        predictions = self.write_predictions()
        with without_figures():
            assign_labels(self.predictions, "weak", self.labels)
        self.write_shards([[label] for label in reversed(self.weak)])
        self.write_predictions()
        code, _, err = self.run_command(predictions, f"--labels={self.labels}")
        self.assertEqual(code, 2)
        self.assertIn("summary.json lists another one of that name (their fingerprints differ)", err)

    def test_ids_that_are_no_classes_are_refused(self):
        self.teacher[20] = 3
        code, _, err = self.run_command(self.write_predictions())
        self.assertEqual(code, 2)
        self.assertIn("web-00001-of-00004.parquet row", err)
        self.assertIn("but predictions.json lists 3 classes", err)


if __name__ == "__main__":
    tf.test.main()
