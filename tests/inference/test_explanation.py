"""Which clips are explained, for which class, and what is written about them."""

import csv
import dataclasses
import pathlib
import shutil
from unittest import mock

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from absl import logging
from absl.testing import parameterized
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from spl_tf import explain
from spl_tf.command import execute
from spl_tf.data.dataset import load_dataset
from spl_tf.data.input.pipeline import evaluation_clips
from spl_tf.data.input.preprocessing import normalize
from spl_tf.data.record import clip_from_bytes
from spl_tf.data.sidecars import Place, open_predictions_of
from spl_tf.errors import UserError
from spl_tf.inference.chosen_clips import Choice, choose, read_clips, spl_classes, with_teacher
from spl_tf.inference.explanation import Explained, Target, explained_clips
from spl_tf.inference.grad_cam import grad_cam, upsample, with_map
from spl_tf.inference.trained_model import load_trained
from spl_tf.labels import predictions, sidecar_files
from spl_tf.labels.assign import assign_labels

_MADE_BY = {"weights": "none"}


@pytest.fixture(scope="module")
def rows(color_shards):
    """Of every web clip in order, as evaluation reads it with the options of the trained network."""
    batches = evaluation_clips(
        load_dataset(color_shards / "web"), batch_size=1, num_frames=4, frame_stride=2, crop_size=28
    )
    return [
        {
            "shard": int(batch["shard"][0]),
            "row": int(batch["row"][0]),
            "clip_id": batch["clip_id"][0].decode(),
            "label": int(batch["labels"][0]),
            "clip": batch["clips"][0],
        }
        for batch in batches.as_numpy_iterator()
    ]


@pytest.fixture(scope="module")
def sidecar_dirs(color_shards, rows, tmp_path_factory):
    """Predictions of the web clips drawn by chance, and labels that keep only where query and teacher agree."""
    folder, dataset = tmp_path_factory.mktemp("sidecars"), load_dataset(color_shards / "web")
    rng = np.random.default_rng(0)
    headers = {}
    for position, shard in enumerate(dataset.shards):
        own = [row for row in rows if row["shard"] == position]
        sidecar_files.write_predictions(
            folder / "p" / f"{shard.name}.parquet",
            clip_ids=[row["clip_id"] for row in own],
            weak=np.array([row["label"] for row in own]),
            teacher=rng.integers(0, 3, len(own)),
            confidence=rng.random(len(own)),
            shard_fingerprint=shard.fingerprint,
            made_by=_MADE_BY,
        )
        headers[shard.name] = sidecar_files.Header(shard.records, shard.fingerprint, shard.ids_digest, _MADE_BY)
    predictions.write_index(predictions.Predictions(folder / "p", dataset.classes, headers), _MADE_BY)
    assign_labels(folder / "p", "agreement", folder / "agreement")
    assign_labels(folder / "p", "spl", folder / "spl")
    return folder


class ExplainTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, trained_dir, color_shards, rows, sidecar_dirs, records_by_hand, rewrite_shards):
        self.trained_dir, self.shards = trained_dir, color_shards / "web"
        self.sidecars, self.records_by_hand, self.rewrite_shards = sidecar_dirs, records_by_hand, rewrite_shards
        self.dataset = load_dataset(self.shards)
        self.rows = rows

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _execute(self, *arguments):
        argv = ["explain", f"--model_dir={self.trained_dir}", f"--shards={self.shards}"]
        argv += [f"--output_dir={self.folder}", *arguments]
        return execute(explain.main, explain.FLAGS, explain.__doc__, argv)

    def _ids(self, choice, with_predictions=True, labels="spl"):
        opened = open_predictions_of(self.dataset, self.sidecars / "p") if with_predictions else None
        places = choose(self.dataset, choice, opened, labels and self.sidecars / labels)
        by_place = {(row["shard"], row["row"]): row["clip_id"] for row in self.rows}
        return [by_place[place.shard, place.row] for place in places]

    def _said(self, folder):
        """Rows of all side-cars in the order of the data set."""
        tables = [pq.read_table(self.sidecars / folder / f"{shard.name}.parquet") for shard in self.dataset.shards]
        return [row for table in tables for row in table.to_pylist()]

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
        for written, record, said, label in zip(table, records, self._said("p"), self._said("agreement"), strict=False):
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

    def test_clips_are_the_first_ones_or_those_of_a_label_of_an_spl_class_or_of_ids(self):
        ids = [row["clip_id"] for row in self.rows]
        self.assertEqual(self._ids(Choice(7)), ids[:7])
        self.assertEqual(self._ids(Choice(10_000)), ids)
        green = [row["clip_id"] for row in self.rows if row["label"] == 1]
        backwards = Choice(1, clip_ids=(ids[-1], ids[3], ids[-1], ids[0]))
        for with_predictions in (False, True):
            self.assertEqual(self._ids(Choice(3, label="green"), with_predictions), green[:3])
            self.assertEqual(self._ids(backwards, with_predictions), [ids[-1], ids[3], ids[0]])
        names = [
            f"{self.dataset.classes[row['weak']]}|{self.dataset.classes[row['teacher']]}" for row in self._said("p")
        ]
        red_blue = [clip_id for clip_id, name in zip(ids, names, strict=True) if name == "red|blue"]
        self.assertNotEmpty(red_blue)
        self.assertEqual(self._ids(Choice(100, spl_class="red|blue")), red_blue)

    def test_an_unknown_clip_or_class_is_named_with_what_there_is(self):
        first = self.rows[0]["clip_id"]
        for with_predictions in (False, True):
            with self.assertRaisesRegex(UserError, f"no clip 'red9@0' and 1 more: give whole ids; .*'{first}'"):
                self._ids(Choice(clip_ids=(first, "red9@0", "x")), with_predictions)
        with self.assertRaisesRegex(UserError, "--label: .* has no class 'gren': .*like green"):
            self._ids(Choice(label="gren"))
        with self.assertRaisesRegex(UserError, r"--spl_class: .* has no class 'red\|blu': .*red\|blue"):
            self._ids(Choice(spl_class="red|blu"))
        with self.assertRaisesRegex(UserError, "--spl_class needs the labels"):
            self._ids(Choice(spl_class="red|blue"), labels=None)
        with self.assertRaisesRegex(UserError, "--clips and --spl_class each choose clips"):
            self._ids(Choice(clip_ids=("a",), spl_class="red|blue"))

    def test_side_cars_are_those_of_the_clip_wherever_it_is(self):
        places = [Place(row["shard"], row["row"]) for row in self.rows][::-2]
        said, labels = self._said("p")[::-2], self._said("agreement")[::-2]
        found = with_teacher(self.dataset, places, open_predictions_of(self.dataset, self.sidecars / "p"))
        self.assertEqual([place.teacher for place in found], [row["teacher"] for row in said])
        self.assertAllClose([place.confidence for place in found], [row["confidence"] for row in said])
        names = spl_classes(self.dataset, places, self.sidecars / "agreement")
        expected = [self.dataset.classes[row["label"]] if row["label"] >= 0 else "discarded" for row in labels]
        self.assertEqual(names, expected)
        self.assertIn("discarded", names)

    def test_a_clip_is_seen_as_evaluation_sees_it(self):
        chosen = self.rows[::-3]
        places = [Place(row["shard"], row["row"]) for row in chosen]
        batches = list(read_clips(self.dataset, places, load_trained(self.trained_dir).clip_input, 4))
        self.assertAllEqual(np.concatenate([batch["clips"] for batch in batches]), [row["clip"] for row in chosen])
        has_label = np.concatenate([batch["has_label"] for batch in batches])
        self.assertAllEqual(has_label, np.eye(3, dtype=bool)[[row["label"] for row in chosen]])
        self.assertEqual([i.decode() for batch in batches for i in batch["clip_id"]], [r["clip_id"] for r in chosen])

    def test_a_damaged_record_is_one_line_and_costs_no_other_clip(self):
        clip_input = load_trained(self.trained_dir).clip_input
        damaged = load_dataset(shutil.copytree(self.shards, self.folder / "web"))
        path = pathlib.Path(damaged.shards[1].path)
        content = bytearray(path.read_bytes())
        content[500] ^= 1  # In the first record.
        path.write_bytes(content)
        with self.assertRaisesRegex(UserError, f"a record of {damaged.folder} can't be read .*--verify"):
            list(read_clips(damaged, [Place(0, 0), Place(1, 0)], clip_input, 2))
        (batch,) = read_clips(damaged, [Place(0, 0), Place(1, 1)], clip_input, 2)
        expected = [row["clip"] for row in self.rows if (row["shard"], row["row"]) in ((0, 0), (1, 1))]
        self.assertAllEqual(batch["clips"], np.stack(expected))

    def test_of_several_labels_all_are_told_and_each_finds_the_clip(self):
        """Clips of no label, one and two, with and without a teacher, who is asked by nothing but the clip's place."""

        def change(clips):
            for number, clip in enumerate(clips):
                clip.labels = [0, 2, 1][: number % 3] if number < 5 else [1, 2]
            return clips

        shards = self.rewrite_shards(self.shards, self.folder / "several", change, multi_label=True)
        dataset, rng = load_dataset(shards), np.random.default_rng(1)
        clips = [
            (Place(position, row), clip_from_bytes(record))
            for position, shard in enumerate(dataset.shards)
            for row, record in enumerate(tf.data.TFRecordDataset(shard.path).as_numpy_iterator())
        ]
        headers, teachers = {}, rng.integers(0, 3, len(clips))
        for position, shard in enumerate(dataset.shards):
            own = [index for index, (place, _) in enumerate(clips) if place.shard == position]
            sidecar_files.write_predictions(
                self.folder / "p" / f"{shard.name}.parquet",
                clip_ids=[clips[index][1].clip_id for index in own],
                weak=[clips[index][1].labels for index in own],
                teacher=teachers[own],
                confidence=rng.random(len(own)),
                shard_fingerprint=shard.fingerprint,
                made_by=_MADE_BY,
            )
            headers[shard.name] = sidecar_files.Header(shard.records, shard.fingerprint, shard.ids_digest, _MADE_BY)
        predictions.write_index(predictions.Predictions(self.folder / "p", dataset.classes, headers), _MADE_BY)
        blue = [index for index, (_, clip) in enumerate(clips) if 2 in clip.labels][:3]
        argv = ["explain", f"--model_dir={self.trained_dir}", f"--shards={shards}", "--num_clips=3", "--label=blue"]
        for arguments in ([], [f"--predictions_dir={self.folder / 'p'}"]):
            folder = self.folder / f"e{len(arguments)}"
            self.assertEqual(
                execute(explain.main, explain.FLAGS, explain.__doc__, [*argv, f"--output_dir={folder}", *arguments]), 0
            )
            with open(folder / "clips.csv", encoding="utf-8", newline="") as opened:
                table = list(csv.DictReader(opened))
            self.assertEqual([row["clip_id"] for row in table], [clips[index][1].clip_id for index in blue])
            for row, index in zip(table, blue, strict=True):
                names = [name for place, name in enumerate(self.dataset.classes) if place in clips[index][1].labels]
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
