"""For which class clips are explained, and what is written about them."""

import csv
import dataclasses
from unittest import mock

import cv2
import numpy as np
import pytest
import tensorflow as tf
from absl import logging
from absl.testing import parameterized
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from spl_tf import explain
from spl_tf.command import execute
from spl_tf.data.dataset import load_dataset
from spl_tf.data.input.preprocessing import normalize
from spl_tf.data.record import clip_from_bytes
from spl_tf.data.sidecars import Place
from spl_tf.errors import UserError
from spl_tf.inference.chosen_clips import Choice, choose
from spl_tf.inference.explanation import Explained, Target, explained_clips
from spl_tf.inference.grad_cam import grad_cam, upsample, with_map
from spl_tf.inference.trained_model import load_trained
from tests.inference import explain_case
from tests.inference.explain_case import write_sidecars


class ExplainTest(explain_case.ExplainCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, records_by_hand, rewrite_shards):
        self.records_by_hand, self.rewrite_shards = records_by_hand, rewrite_shards

    def _execute(self, *arguments):
        argv = ["explain", f"--model_dir={self.trained_dir}", f"--shards={self.shards}"]
        argv += [f"--output_dir={self.folder}", *arguments]
        return execute(explain.main, explain.FLAGS, explain.__doc__, argv)

    def test_the_command_writes_strips_animations_and_a_table_of_them(self):
        arguments = [f"--predictions_dir={self.sidecars / 'p'}", f"--labels_dir={self.sidecars / 'agreement'}"]
        self.assertEqual(self._execute(*arguments, "--num_clips=5", "--format=gif", "--batch_size=2"), 0)
        with open(self.folder / "clips.csv", encoding="utf-8", newline="") as opened:
            table = list(csv.DictReader(opened))
        self.assertLen(table, 5)
        records = self.records_by_hand(
            self.trained_dir / "model.keras", self.shards, load_trained(self.trained_dir).clip_input
        )
        classes = self.dataset.classes
        for written, record, said, label in zip(table, records, self.said("p"), self.said("agreement"), strict=False):
            position, row, clip_id, _, labels, scores, _ = record
            self.assertEqual(written["clip_id"], clip_id)
            self.assertEqual((written["shard"], written["record"]), (self.dataset.shards[position].name, str(row)))
            self.assertEqual(written["weak"], classes[labels[0]])
            self.assertEqual(written["teacher"], classes[said["teacher"]])
            self.assertAllClose(float(written["confidence"]), said["confidence"], atol=1e-4)
            self.assertEqual(written["spl_class"], classes[label["label"]] if label["label"] >= 0 else "discarded")
            self.assertEqual((written["predicted"], written["target"]), (classes[scores.argmax()],) * 2)
            self.assertAllClose(
                [float(written["predicted_score"]), float(written["score"])], [scores.max()] * 2, atol=1e-3
            )
            # Frames of 28 pixels are shown four times as large; the caption has six lines.
            height = 2 * 112 + 6 * 18 + 12
            strip = cv2.imread(str(self.folder / written["strip"]))
            self.assertEqual(strip.shape, (height, 4 * 112, 3))
            clip = next(own["clip"] for own in self.rows if own["clip_id"] == clip_id)
            self.assertAllEqual(strip[:112:4, :448:4, ::-1], np.concatenate(list(clip), axis=1))
            with Image.open(self.folder / written["animation"]) as gif:
                self.assertEqual((gif.n_frames, gif.size), (4, (448, height - 112)))
                self.assertEqual(gif.info["duration"], 200)  # 10 frames per second, every second one.
        names = {name for row in table for name in (row["strip"], row["animation"])}
        self.assertEqual({path.name for path in self.folder.iterdir()}, names | {"clips.csv", "logs", ".lock"})
        shown = EventAccumulator(str(self.folder / "logs"), size_guidance={"tensors": 0})
        shown.Reload()
        for row in table:
            (event,) = shown.Tensors(f"{row['clip_id']}, {row['target']}")
            picture = tf.io.decode_png(event.tensor_proto.string_val[2])
            self.assertAllEqual(picture, cv2.imread(str(self.folder / row["strip"]))[..., ::-1])

    @parameterized.parameters(
        ("res5_block1_out", ["the map has one place a picture, too few to say where: name an earlier --layer"]),
        ("res4_block1_out", ["the map has 2 x 2 places a picture, too few to say where: name an earlier --layer"]),
        ("res3_block1_out", []),
    )
    def test_a_map_too_coarse_to_say_where_is_told_of(self, layer, told):
        with mock.patch.object(logging, "warning") as warning:
            self.assertEqual(self._execute("--num_clips=1", f"--layer={layer}"), 0)
        self.assertEqual([call.args[0] for call in warning.mock_calls], told)

    def test_the_caption_tells_of_a_coarse_map(self):
        clip = {field.name: "" for field in dataclasses.fields(Explained)} | {"predicted_score": 0.5, "score": 0.5}
        clip |= {"place": Place(0, 0), "target": "run"}
        last = [Explained(**clip | {"cells": cells}).caption[-1] for cells in ((4, 4), (3, 5), (1, 1))]
        self.assertEqual(last[0], "the map is of what speaks for run, 0.50")
        self.assertEqual(last[1], "the map of 3 x 5, too coarse, is of what speaks for run, 0.50")
        self.assertEqual(last[2], "the map of 1 x 1, too coarse, is of what speaks for run, 0.50")

    @parameterized.parameters(
        "--clips=nowhere", "--layer=res9", "--target=rad", "--predictions_dir=nowhere", "--clips=a --num_clips=2"
    )
    def test_mistakes_exit_with_2_and_leave_no_picture(self, arguments):
        self.assertEqual(self._execute(*arguments.split()), 2)
        self.assertEmpty(list(self.folder.glob("*.*g*")))

    def test_of_several_labels_all_are_told_and_each_finds_the_clip(self):
        """Clips of no label, one and two, with and without a teacher, who is asked by nothing but the clip's place."""

        def change(clips):
            for number, clip in enumerate(clips):
                clip.labels = [0, 2, 1][: number % 3] if number < 5 else [1, 2]
            return clips

        shards = self.rewrite_shards(self.shards, self.folder / "several", change, multi_label=True)
        dataset = load_dataset(shards)
        clips = [
            clip_from_bytes(record)
            for shard in dataset.shards
            for record in tf.data.TFRecordDataset(shard.path).as_numpy_iterator()
        ]
        ids, weak = [clip.clip_id for clip in clips], [clip.labels for clip in clips]
        teachers = write_sidecars(self.folder / "p", dataset, ids, weak, np.random.default_rng(1))
        blue = [index for index, clip in enumerate(clips) if 2 in clip.labels][:3]
        argv = ["explain", f"--model_dir={self.trained_dir}", f"--shards={shards}", "--num_clips=3", "--label=blue"]
        for arguments in ([], [f"--predictions_dir={self.folder / 'p'}"]):
            folder = self.folder / f"e{len(arguments)}"
            self.assertEqual(
                execute(explain.main, explain.FLAGS, explain.__doc__, [*argv, f"--output_dir={folder}", *arguments]), 0
            )
            with open(folder / "clips.csv", encoding="utf-8", newline="") as opened:
                table = list(csv.DictReader(opened))
            self.assertEqual([row["clip_id"] for row in table], [ids[index] for index in blue])
            for row, index in zip(table, blue, strict=True):
                names = [name for place, name in enumerate(self.dataset.classes) if place in weak[index]]
                self.assertEqual(row["weak"], "|".join(names))
                self.assertEqual(row["teacher"], self.dataset.classes[teachers[index]] if arguments else "")
        argv = ["explain", f"--model_dir={self.trained_dir}", f"--shards={shards}", f"--output_dir={self.folder / 'w'}"]
        self.assertEqual(execute(explain.main, explain.FLAGS, explain.__doc__, [*argv, "--target=weak"]), 2)

    def test_the_map_is_of_the_target_and_no_batch_changes_it(self):
        trained = load_trained(self.trained_dir)
        places = choose(self.dataset, Choice(5), None, None)

        def explained(name, batch_size=5, trained=trained):
            return list(explained_clips(trained, self.dataset, places, Target(name), batch_size=batch_size))

        predicted, weak, green = explained("predicted"), explained("weak"), explained("green")
        for clips, expected in (
            (predicted, [clip.predicted for clip in predicted]),
            (weak, [self.dataset.classes[row["label"]] for row in self.rows[:5]]),
            (green, ["green"] * 5),
        ):
            self.assertEqual([clip.target for clip in clips], expected)
        clips = np.stack([row["clip"] for row in self.rows[:5]])
        for labels, explained_for in (([row["label"] for row in self.rows[:5]], weak), ([1] * 5, green)):
            maps, logits = grad_cam(with_map(trained.network), normalize(tf.constant(clips)), tf.constant(labels))
            scores = tf.nn.softmax(logits).numpy()[np.arange(5), labels]
            self.assertAllClose([clip.score for clip in explained_for], scores, atol=1e-5)
            self.assertAllClose([clip.maps for clip in explained_for], upsample(maps.numpy(), (4, 28, 28)), atol=1e-4)
        for clip, other in zip(explained("weak", batch_size=2), weak, strict=True):
            self.assertAllClose(clip.maps, other.maps, atol=1e-4)
            self.assertAllEqual(clip.frames, other.frames)

        # Of a network with other classes only these can be asked for, and those of the clips where it has them.
        spl_b = dataclasses.replace(trained, classes=("green", "blue", "red"))
        self.assertEqual([clip.target for clip in explained("weak", trained=spl_b)], [clip.target for clip in weak])
        other = dataclasses.replace(trained, classes=("red", "green", "green|other"))
        self.assertEqual(explained("green|other", trained=other)[0].target, "green|other")
        with self.assertRaisesRegex(UserError, "--target=weak: the network has no class 'blue'"):
            explained("weak", trained=other)
        with self.assertRaisesRegex(UserError, "the network has no class 'blue': .* 3, like"):
            explained("blue", trained=other)


if __name__ == "__main__":
    tf.test.main()
