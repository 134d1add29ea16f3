"""Whatever is lost or damaged among a run's checkpoints, the newest whole one is restored, and it is told."""

import contextlib
import io
import pathlib
import shutil

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.training.checkpoints import Checkpoints


class _State:
    """A step, and values that tell which step they are of."""

    def __init__(self):
        self.step = tf.Variable(0, dtype=tf.int64)
        self.values = tf.Variable(np.zeros(300, np.float32))

    def as_checkpoint(self):
        return tf.train.Checkpoint(step=self.step, values=self.values)


class CheckpointsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "checkpoints"
        state = _State()
        checkpoints = Checkpoints(self.folder, state)
        for step in (7, 9, 10):  # By name, 10 comes before 7.
            state.step.assign(step)
            state.values.assign(np.full(300, step))
            checkpoints.save()
        self.list = self.folder / "checkpoint"

    def restored(self):
        """The step that is restored, None for none; what is told."""
        state, said = _State(), io.StringIO()
        with contextlib.redirect_stdout(said):
            checkpoints = Checkpoints(self.folder, state)
            checkpoints.restore_latest()
        self.assertAllEqual(state.values, np.full(300, state.step.numpy()))
        return int(state.step.numpy()) or None, said.getvalue()

    def test_whole_checkpoints_need_no_word(self):
        self.assertEqual(self.restored(), (10, ""))
        self.assertEqual([path.stem for path in sorted(self.folder.glob("*.index"))], ["ckpt-10", "ckpt-9"])

    @parameterized.named_parameters(
        ("zeroed", lambda content: bytes(len(content))),
        ("emptied", lambda content: b""),
        ("cut", lambda content: content[:30]),
        ("no_text", lambda content: b"\xff" + content),
        ("missing", None),
        ("of_before_the_newest_was_written", lambda content: content.replace(b"ckpt-10", b"ckpt-9")),
        ("of_another_folder", lambda content: content.replace(b'"ckpt-', b'"/nowhere/ckpt-3')),
        (
            "of_the_future",
            lambda content: content.replace(b"last_preserved_timestamp: 1", b"last_preserved_timestamp: 9"),
        ),
        ("one_digit", lambda content: content.replace(b'"ckpt-10"', b'"ckpt-11"')),
    )
    def test_a_damaged_list_is_made_anew(self, damage):
        if damage is None:
            self.list.unlink()
        else:
            content = damage(self.list.read_bytes())
            self.assertNotEqual(content, self.list.read_bytes())
            self.list.write_bytes(content)
        step, said = self.restored()
        self.assertEqual(step, 10)
        self.assertIn("made anew from what is there", said)
        self.assertEqual(self.restored(), (10, ""))

    def test_old_checkpoints_of_a_mended_list_are_removed_in_their_turn(self):
        self.list.unlink()
        state = _State()
        checkpoints = Checkpoints(self.folder, state)
        checkpoints.restore_latest()
        state.step.assign(12)
        state.values.assign(np.full(300, 12))
        checkpoints.save()
        self.assertEqual(sorted(path.stem for path in self.folder.glob("*.index")), ["ckpt-10", "ckpt-12"])
        self.assertEqual(self.restored()[0], 12)

    def test_any_flipped_bit_of_the_newest_is_found_and_the_one_before_taken(self):
        for path in self.folder.glob("ckpt-10.*"):
            content = path.read_bytes()
            for place in np.random.default_rng(0).integers(len(content), size=40):
                flipped = bytearray(content)
                flipped[place] ^= 1 << (place % 8)
                path.write_bytes(flipped)
                step, said = self.restored()  # Looks at all values, too.
                self.assertIn(step, (9, 10))
                self.assertEqual("trying the one before" in said, step == 9)
            path.write_bytes(content)

    @parameterized.parameters("ckpt-10.index", "ckpt-10.data-00000-of-00001")
    def test_one_that_lost_a_file_is_passed_over(self, name):
        (self.folder / name).unlink()
        step, said = self.restored()
        self.assertEqual(step, 9)
        self.assertIn("checkpoint", said)

    def test_when_all_are_damaged_nothing_is_begun(self):
        for path in self.folder.glob("*.data-*"):
            path.write_bytes(b"")
        with self.assertRaisesRegex(UserError, "no checkpoint can be restored .*ckpt-10.*: move away or delete"):
            self.restored()

    def test_a_list_of_nothing_is_told_of(self):
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        self.list.write_bytes(b"")
        step, said = self.restored()
        self.assertIsNone(step)
        self.assertIn("checkpoint is damaged, and there is no checkpoint: training begins at the start", said)
        self.assertEqual(self.restored(), (None, ""))
