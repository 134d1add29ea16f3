import dataclasses
import pathlib

import gin
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input.pipeline import training_clips
from spl_tf.data.input.targets import join_targets
from spl_tf.data.input.view_samplers import RandomViews
from spl_tf.data.sidecars import open_labels_of
from spl_tf.errors import UserError
from spl_tf.files import write_json
from spl_tf.labels.sidecar_files import write_labels

OPTIONS = {"batch_size": 4, "seed": 3, "num_frames": 3, "frame_stride": 2, "crop_size": 16, "block_shards": 1}


def _clips(dataset, *, labels_dir=None, form="single", **options):
    labels = None if labels_dir is None else open_labels_of(dataset, labels_dir)
    return training_clips(dataset, join_targets(dataset, labels, form), **(OPTIONS | options))


def _batches(dataset, count, **options):
    """The first batches as lists of arrays per key."""
    clips = _clips(dataset, **options)
    batches = list(clips.take(count).as_numpy_iterator())
    return {key: [batch[key] for batch in batches] for key in batches[0]}


def _stream(dataset, count, **options):
    """The first batches as one stream per key."""
    return {key: np.concatenate(arrays) for key, arrays in _batches(dataset, count, **options).items()}


def _first_halves(dataset):
    """Of batches of two lanes, what the first host has."""
    return [index[:2] for index in _batches(dataset, 8, start_step=1, lanes=2)["index"]]


class TrainingClipsTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _readable(self, readable_shards):
        self.readable = readable_shards

    def _dataset(self, sizes=(5, 4, 6), **options):
        return self.readable.write(self.create_tempdir().full_path, sizes, **options)

    def _labels(self, dataset, labels, weights=None):
        folder = pathlib.Path(self.create_tempdir().full_path)
        weights = np.ones(len(labels)) if weights is None else weights
        for shard in dataset.shards:
            rows = slice(shard.start, shard.start + shard.records)
            write_labels(
                folder / f"{shard.name}.parquet",
                clip_ids=[f"clip{index}" for index in range(rows.start, rows.stop)],
                labels=np.asarray(labels)[rows],
                weights=np.asarray(weights)[rows],
                shard_fingerprint=shard.fingerprint,
            )
        shards = {shard.name: {"fingerprint": shard.fingerprint} for shard in dataset.shards}
        classes = [str(label) for label in range(max(labels) + 1)]
        write_json(
            folder / "summary.json", {"format_version": 1, "strategy": "weak", "class_names": classes, "shards": shards}
        )
        return folder

    def _assert_same(self, first, second):
        self.assertEqual(first.keys(), second.keys())
        for key in first:
            self.assertAllEqual(first[key], second[key], msg=key)

    @parameterized.parameters(1, 2, 9)
    def test_each_epoch_holds_every_clip_once_in_another_order(self, block_shards):
        stream = _stream(self._dataset(), 15, block_shards=block_shards)
        epochs = stream["index"].reshape(4, 15)
        self.assertAllEqual(np.sort(epochs), np.tile(np.arange(15), (4, 1)))
        self.assertLen(np.unique(epochs, axis=0), 4)
        self.assertAllEqual(stream["labels"], stream["index"] % 3)
        self.assertAllEqual(stream["weights"], np.ones(60))

    def test_several_labels_come_from_the_records(self):
        dataset = dataclasses.replace(self._dataset(), multi_label=True)
        stream = _stream(dataset, 4, form="several")
        self.assertAllEqual(stream["labels"], np.eye(3)[stream["index"] % 3])
        self.assertAllEqual(stream["known"], np.ones([16, 3]))
        self.assertAllEqual(stream["clips"], _stream(self._dataset(), 4)["clips"])

    def test_the_first_of_several_views_is_the_only_one_and_the_others_are_drawn_apart(self):
        dataset = self._dataset()
        one, three = _stream(dataset, 4), _stream(dataset, 4, views=RandomViews(3))
        self.assertEqual(three["clips"].shape, (16, 3, 3, 16, 16, 3))
        for name in ("clips", "color"):
            self.assertAllEqual(three[name][:, 0], one[name])
        self.assertLen(np.unique(three["color"].reshape(48, 4), axis=0), 48)
        cuts = [self.readable.cut(three["clips"][:, view]) for view in range(3)]
        self.assertNotEqual(cuts[1], cuts[2])

    def test_shapes_and_types(self):
        spec = _clips(self._dataset()).element_spec
        self.assertEqual(spec["clips"], tf.TensorSpec([4, 3, 16, 16, 3], tf.uint8))
        self.assertEqual(spec["color"], tf.TensorSpec([4, 4], tf.float32))
        self.assertEqual(spec["weights"], tf.TensorSpec([4], tf.float32))
        self.assertEqual(spec["labels"], tf.TensorSpec([4], tf.int32))
        self.assertEqual(spec["index"], tf.TensorSpec([4], tf.int64))
        self.assertLen(spec, 5)

    def test_stream_does_not_depend_on_parallelism_or_batch_size(self):
        dataset = self._dataset()
        first = _stream(dataset, 9)
        self._assert_same(_stream(dataset, 6, batch_size=6), first)
        options = tf.data.Options()
        options.threading.private_threadpool_size = 1
        options.autotune.enabled = False
        single = _clips(dataset).with_options(options).take(9)
        self._assert_same(
            {key: np.concatenate([batch[key] for batch in single]) for key in first},
            first,
        )

    def test_stream_can_be_iterated_again(self):
        clips = _clips(self._dataset()).take(3)
        self.assertAllEqual([batch["clips"] for batch in clips], [batch["clips"] for batch in clips])

    def test_resumed_stream_equals_the_undisturbed_tail_at_every_step_of_two_epochs(self):
        dataset = self._dataset()
        whole = _batches(dataset, 10)
        for step in range(9):
            tail = _batches(dataset, min(10 - step, 5), start_step=step)
            self._assert_same(tail, {key: arrays[step : step + 5] for key, arrays in whole.items()})

    def test_resume_opens_no_skipped_shard(self):
        dataset = self._dataset()
        indices = _stream(dataset, 4)["index"]
        starts = np.array([shard.start for shard in dataset.shards])
        shard_of = np.searchsorted(starts, indices, side="right") - 1
        # Step 2 begins at clip 8: blocks (one shard each here) that end before it are destroyed.
        for position in set(shard_of[:8]) - set(shard_of[8:12]):
            pathlib.Path(dataset.shards[position].path).write_bytes(b"destroyed")
        self.assertLess(len(set(shard_of[8:12])), 3)
        self.assertAllEqual(_stream(dataset, 1, start_step=2)["index"], indices[8:12])

    def test_side_cars_give_labels_and_weights_and_discarded_clips_are_never_decoded(self):
        dataset = self._dataset(broken=[0, 7, 14])
        labels = np.arange(100, 115)
        labels[[0, 7, 14, 3]] = -1
        weights = np.linspace(0.1, 1.0, 15, dtype=np.float32)
        folder = self._labels(dataset, labels, weights)
        stream = _stream(dataset, 11, labels_dir=folder)
        for epoch in stream["index"].reshape(4, 11):
            self.assertAllEqual(np.sort(epoch), np.flatnonzero(labels >= 0))
        self.assertAllEqual(stream["labels"], labels[stream["index"]])
        self.assertAllEqual(stream["weights"], weights[stream["index"]])

    def test_shard_whose_clips_are_all_discarded_is_not_read(self):
        dataset = self._dataset()
        folder = self._labels(dataset, [1] * 5 + [-1] * 4 + [1] * 6)
        pathlib.Path(dataset.shards[1].path).unlink()
        indices = _stream(dataset, 11, labels_dir=folder)["index"]
        self.assertAllEqual(np.bincount(indices), [4] * 5 + [0] * 4 + [4] * 6)

    def test_batch_larger_than_an_epoch_wraps(self):
        dataset = self._dataset()
        folder = self._labels(dataset, [-1] * 12 + [0, 1, 2])
        indices = _stream(dataset, 3, batch_size=8, labels_dir=folder)["index"]
        self.assertAllEqual(np.sort(indices.reshape(8, 3)), np.tile([12, 13, 14], (8, 1)))

    def test_kept_clip_without_jpeg_is_an_error_that_names_it(self):
        with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "clip7"):
            _stream(self._dataset(broken=[7]), 4)

    def test_frames_are_drawn_at_the_stride_from_every_start_inside_one_window_in_bounds(self):
        stream = _stream(self._dataset(), 60)
        cuts = self.readable.cut(stream["clips"])
        starts, ys, xs, mirrored = set(), set(), set(), 0
        for numbers, y, x, flipped in cuts:
            self.assertEqual(numbers, [numbers[0], numbers[0] + 2, numbers[0] + 4])
            starts.add(numbers[0])
            ys.add(y)
            xs.add(x)
            mirrored += flipped
        self.assertEqual(starts, set(range(12 - 4)))
        self.assertEqual(ys, set(range(24 - 16 + 1)))
        self.assertEqual(xs, set(range(32 - 16 + 1)))
        self.assertBetween(mirrored, 120 - 31, 120 + 31)  # Four standard deviations.

    def test_nothing_is_mirrored_without_flip(self):
        cuts = self.readable.cut(_stream(self._dataset(), 8, flip=False)["clips"])
        self.assertFalse(any(flipped for *_, flipped in cuts))

    def test_short_clips_are_looped(self):
        dataset = self._dataset(num_frames=lambda index: 1 + index % 5)
        stream = _stream(dataset, 4, num_frames=4)
        for index, (numbers, *_) in zip(stream["index"], self.readable.cut(stream["clips"]), strict=True):
            self.assertEqual(numbers, [2 * step % (1 + index % 5) for step in range(4)])

    def test_random_skips_and_crops_of_many_scales_are_drawn_anew_in_each_epoch_and_resumed(self):
        dataset = self._dataset()
        scales = [1.0, 0.75, 0.5]
        options = {"skips": (1, 4), "crop_scales": scales, "flip": False}
        whole = _batches(dataset, 15, **options)
        tail = _batches(dataset, 3, start_step=5, **options)
        self._assert_same(tail, {key: arrays[5:8] for key, arrays in whole.items()})
        strides, shares = [], []
        for clip in np.concatenate(whole["clips"]).astype(float):
            numbers = np.rint(clip[..., 0].mean(axis=(1, 2)) / 8)
            strides.append(numbers[1] - numbers[0])
            self.assertEqual(numbers[2] - numbers[1], strides[-1])
            # The pixels of the middle say their place: from one to the next it is side / 16.
            steps = np.diff(clip[0, 8, 4:12, 1]).mean() / 4, np.diff(clip[0, 4:12, 8, 2]).mean() / 4
            self.assertAllClose(steps[0], steps[1], atol=0.15)
            shares.append(min(scales, key=lambda scale: abs(scale - np.mean(steps) * 16 / 24)))
        self.assertEqual(set(strides), {1, 2, 3, 4})
        for skip in range(1, 5):
            self.assertBetween(strides.count(skip), 15 - 14, 15 + 14)  # Four standard deviations.
        for scale in scales:
            self.assertBetween(shares.count(scale), 20 - 15, 20 + 15)
        usual = _stream(dataset, 4)
        self._assert_same(_stream(dataset, 4, skips=None, crop_scales=None), usual)

    def test_color_factors_are_drawn_in_their_ranges_or_neutral(self):
        dataset = self._dataset()
        color = _stream(dataset, 15, hue=0.1, contrast=[0.9, 1.2])["color"]
        self.assertAllInRange(color[:, 0], -32 / 255, 32 / 255)
        self.assertAllInRange(color[:, 1], 0.9, 1.2)
        self.assertAllInRange(color[:, 2], 0.6, 1.4)
        self.assertAllInRange(color[:, 3], -0.1, 0.1)
        self.assertLen(np.unique(color, axis=0), 60)  # A clip is drawn anew in each epoch.
        self.assertAllEqual(_stream(dataset, 1, color_jitter=False)["color"], [[0, 1, 1, 0]] * 4)

    def test_shares_of_the_hosts_make_up_each_global_batch(self):
        dataset = self._dataset()
        for lanes in (2, 4):
            whole = _batches(dataset, 8, start_step=1, lanes=lanes)
            hosts = [_batches(dataset, 8, start_step=1, host=host, num_hosts=2, lanes=lanes) for host in range(2)]
            for key, arrays in whole.items():
                joined = [np.concatenate(shares) for shares in zip(*(host[key] for host in hosts), strict=True)]
                self.assertAllEqual(joined, arrays, msg=key)
        self.assertAllEqual(_batches(dataset, 8, start_step=1, host=0, num_hosts=2)["index"], _first_halves(dataset))

    def test_a_host_opens_the_shards_of_its_share_alone(self):
        dataset = self._dataset([4] * 6)
        options = {"batch_size": 2, "num_hosts": 2, "block_shards": 2}
        own = [
            {place // 4 for place in np.ravel(_batches(dataset, 11, host=host, **options)["index"])} for host in (0, 1)
        ]
        self.assertEqual([len(shards) for shards in own], [3, 3])
        for shard in own[1]:
            pathlib.Path(dataset.shards[shard].path).write_bytes(b"")
        self.assertLen(np.unique(_batches(dataset, 11, host=0, **options)["index"]), 11)
        with self.assertRaises(tf.errors.OpError):
            _batches(dataset, 11, host=1, **options)

    def test_two_replicas_share_each_batch(self):
        dataset = self._dataset()
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        distributed = iter(strategy.experimental_distribute_dataset(_clips(dataset)))
        for batch in _batches(dataset, 8)["index"]:
            replicas = strategy.experimental_local_results(next(distributed)["index"])
            self.assertAllEqual(np.concatenate(replicas), batch)
            self.assertLen(replicas[0], 2)

    def test_gin_scopes_configure_each_stage(self):
        gin.parse_config("""
            training_clips.block_shards = 1
            teacher/training_clips.color_jitter = False
            pretrain/training_clips.brightness = 0.0
        """)
        for scope, neutral in (("teacher", True), ("pretrain", False)):
            with gin.config_scope(scope):
                color = next(_clips(self._dataset()).as_numpy_iterator())["color"]
            self.assertAllEqual(color[:, 0], np.zeros(4))
            self.assertEqual(np.all(color[:, 1] == 1), neutral)

    @parameterized.parameters("num_frames = 2", "seed = 1", "batch_size = 2", "start_step = 1", "num_hosts = 2")
    def test_what_the_stage_sets_itself_is_no_gin_parameter(self, binding):
        with self.assertRaisesRegex(ValueError, "training_clips"):
            gin.parse_config(f"training_clips.{binding}")

    def test_evaluation_is_not_configurable(self):
        with self.assertRaisesRegex(ValueError, "evaluation_clips"):
            gin.parse_config("evaluation_clips.num_views = 3")

    def test_mistakes_are_named_before_training(self):
        dataset = self._dataset()
        discarded = self._labels(dataset, np.full(15, -1))
        several = dataclasses.replace(dataset, multi_label=True)
        for data, options, message in (
            (dataset, {"labels_dir": discarded}, "discards all its clips"),
            (several, {}, "has several labels per clip"),
            (dataset, {"crop_size": 25}, "crop_size = 25 is larger than the 24 pixels"),
            (dataset, {"batch_size": 4, "num_hosts": 3}, "batch_size = 4 does not divide by the 3 hosts"),
            (dataset, {"lanes": 3}, "lanes = 3: give a multiple of the 1 hosts by which batch_size = 4 divides"),
            (dataset, {"num_hosts": 2, "lanes": 1}, "lanes = 1: give a multiple of the 2 hosts"),
            (dataset, {"skips": (3, 1)}, r"training_clips.skips = \(3, 1\): give"),
            (dataset, {"crop_scales": [0.5, 1.2]}, r"crop_scales = \[0.5, 1.2\]: give numbers above 0"),
            (dataset, {"crop_scales": []}, r"crop_scales = \[\]: give numbers"),
            (dataset, {"num_frames": 0}, "num_frames = 0: must be at least 1"),
            (dataset, {"seed": -1}, "seed = -1: must be at least 0"),
        ):
            with self.subTest(message), self.assertRaisesRegex(UserError, message):
                _clips(data, **options)
