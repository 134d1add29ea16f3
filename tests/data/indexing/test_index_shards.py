"""Shards of other programs, written here by TensorFlow's protocol buffers alone, as DMVR and MediaPipe fill them."""

import contextlib
import gzip
import io
import pathlib
import shutil
from unittest import mock

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.dataset import load_dataset
from spl_tf.data.indexing import index_shards as module
from spl_tf.data.indexing.index_shards import index_shards, summary
from spl_tf.data.indexing.keys import record_keys
from spl_tf.data.input.pipeline import evaluation_clips, training_clips
from spl_tf.data.input.record_labels import read_record_labels
from spl_tf.data.input.targets import join_targets
from spl_tf.data.sidecars import Place
from spl_tf.data.survey import read_heads
from spl_tf.data.thumbnails import read_strips
from spl_tf.data.verify import verify
from spl_tf.errors import UserError
from spl_tf.labels.targets import NONE, SEVERAL

CLASSES = ("run", "jump", "swim")
RANDOM = np.random.default_rng(0)


def pictures(num_frames, height=24, width=32):
    """Smooth colours, which JPEG keeps; uint8 [T, H, W, 3], BGR."""
    small = RANDOM.integers(0, 256, (num_frames, 4, 4, 3), np.uint8)
    return np.stack([cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC) for picture in small])


def record(frames, text=(), index=(), key="image/encoded", suffix=".jpg", text_key="clip/label/text", **context):
    """Serialized; `context` are further fields, int64, float or bytes."""
    example = tf.train.SequenceExample()
    fields = example.context.feature
    if text:
        fields[text_key].bytes_list.value.extend(name.encode() for name in text)
    if index:
        fields["clip/label/index"].int64_list.value.extend(index)
    for name, value in context.items():
        kind = {int: "int64_list", float: "float_list", bytes: "bytes_list"}[type(value)]
        getattr(fields[name.replace("__", "/")], kind).value.append(value)
    for picture in frames:
        encoded = picture if isinstance(picture, bytes) else cv2.imencode(suffix, picture)[1].tobytes()
        example.feature_lists.feature_list[key].feature.add().bytes_list.value.append(encoded)
    return example.SerializeToString()


def run_here(function, jobs, **_):
    return (function(job) for job in jobs)


class IndexCase(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.enterContext(mock.patch.object(module, "run_in_workers", run_here))
        self.enterContext(contextlib.redirect_stderr(io.StringIO()))  # Bars of progress.

    def write(self, *shards, compression=""):
        """Shards `theirs/train-0000i-of-0000n` of these records."""
        (self.folder / "theirs").mkdir(exist_ok=True)
        for number, records in enumerate(shards):
            path = str(self.folder / f"theirs/train-{number:05d}-of-{len(shards):05d}")
            with tf.io.TFRecordWriter(path, compression) as writer:
                for content in records:
                    writer.write(content)

    def index(self, name="D", **options):
        keys = options.pop("keys", None) or record_keys()
        options = {"classes": CLASSES, "fps": 10.0, "workers": 1} | options
        return index_shards(str(self.folder / "theirs/train-*"), self.folder / name, keys=keys, **options)

    def fault(self, **options):
        with self.assertRaises(UserError) as caught:
            self.index(**options)
        return str(caught.exception)


class IndexTest(IndexCase):
    def test_shards_of_dmvr_are_read_as_their_frames_texts_and_places_say(self):
        """DMVR's ids number its own, unordered classes: texts decide."""
        clips = [pictures(6) for _ in range(5)]
        names = ["jump", "run", "swim", "jump", "run"]
        theirs = ["swim", "jump", "run"]
        contents = [
            record(clip, [name], [theirs.index(name)], video__filename=b"v.mp4", clip__start__timestamp=1_000_000)
            for clip, name in zip(clips, names, strict=True)
        ]
        self.write(contents[:2], contents[2:])
        dataset = self.index()
        self.assertEqual(dataset, load_dataset(self.folder / "D"))
        self.assertEqual((dataset.num_clips, dataset.num_videos, dataset.short_side, dataset.fps), (5, 5, 24, 10.0))
        self.assertEqual(dataset.clips_per_class, {"run": 2, "jump": 2, "swim": 1})
        self.assertEqual([shard.name for shard in dataset.shards], ["train-00000-of-00002", "train-00001-of-00002"])
        self.assertIn("its label index is not the class of its label text, by which it goes (3)", summary(dataset))
        self.assertIn("not read: video/filename (5)", summary(dataset))

        (batch,) = evaluation_clips(dataset, batch_size=5, num_frames=2, frame_stride=2, crop_size=16)
        self.assertEqual(
            [clip_id.decode() for clip_id in batch["clip_id"].numpy()],
            [f"train-0000{shard}-of-00002#{row}" for shard, row in ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2))],
        )
        self.assertEqual([CLASSES[int(labels)] for labels in batch["labels"].numpy()], names)
        for seen, clip in zip(batch["clips"].numpy(), clips, strict=True):
            for picture, frame in zip(seen, clip[[1, 3]], strict=True):  # The middle: 3 frames of slack, halved.
                stored = cv2.imdecode(cv2.imencode(".jpg", frame)[1], cv2.IMREAD_COLOR)
                self.assertAllEqual(picture, stored[4:20, 8:24, ::-1])
        self.assertEqual([head.num_frames for head in read_heads(dataset)], [6] * 5)
        self.assertEmpty(verify(self.folder / "D").faults)

    def test_frames_are_scaled_as_a_whole_frame_would_be(self):
        sizes = ((24, 32), (90, 61), (48, 64), (33, 170))
        clips = [pictures(3, *size) for size in sizes]
        self.write([record(clip, ["run"], suffix=".png") for clip in clips])
        dataset = self.index(short_side=24)
        (batch,) = evaluation_clips(dataset, batch_size=12, num_frames=3, frame_stride=1, crop_size=20, num_crops=3)
        for number, ((height, width), clip) in enumerate(zip(sizes, clips, strict=True)):
            scaled = (round(height * 24 / min(height, width)), round(width * 24 / min(height, width)))
            whole = tf.image.resize(clip[..., ::-1], scaled, antialias=True).numpy().round()
            room, tall = np.array(scaled) - 20, height > width
            for crop in range(3):
                y, x = (-(-room[axis] * crop // 2) if tall == (axis == 0) else room[axis] // 2 for axis in (0, 1))
                expected = whole[:, y : y + 20, x : x + 20]
                self.assertAllClose(batch["clips"][3 * number + crop], expected, atol=1.0)
        self.assertEmpty(verify(self.folder / "D").faults)

    def test_scaled_jpeg_frames_are_those_of_the_whole_decoded_frame(self):
        clip = pictures(2, 97, 130)
        self.write([record(clip, ["run"])])
        (batch,) = evaluation_clips(self.index(short_side=30), batch_size=1, num_frames=2, frame_stride=1, crop_size=11)
        encoded = [cv2.imencode(".jpg", frame)[1].tobytes() for frame in clip]
        decoded = np.stack([tf.io.decode_jpeg(frame, dct_method="INTEGER_ACCURATE") for frame in encoded])
        whole = tf.image.resize(decoded, (30, 40), antialias=True).numpy().round()
        self.assertAllClose(batch["clips"][0], whole[:, 9:20, 14:25], atol=1.0)

    @parameterized.parameters("", "GZIP")
    def test_training_leaves_out_what_gives_no_clip_and_resumes_at_any_step(self, compression):
        good = [record(pictures(4), [CLASSES[number % 3]]) for number in range(7)]
        bad = [
            record([], ["run"]),
            record(pictures(2)),
            record([*pictures(1), *pictures(1, 24, 40)], ["run"]),
            record([b"no picture"], ["run"]),
        ]
        self.write([bad[0], *good[:3], bad[1]], [good[3], bad[2], bad[3], *good[4:]], bad[:1], compression=compression)
        dataset = self.index()
        self.assertEqual(dataset.num_clips, 7)
        self.assertEqual(
            (self.folder / "D/rejected.csv").read_text().splitlines(),
            [
                "shard,record,reason,detail",
                "train-00000-of-00003,0,no frames,(it has none at all)",
                "train-00000-of-00003,4,no label,",
                'train-00001-of-00003,1,frames of several sizes,"(32x24, 40x24)"',
                "train-00001-of-00003,2,frame neither JPEG nor PNG,(frame 0)",
                "train-00002-of-00003,0,no frames,(it has none at all)",
            ],
        )
        options = {"batch_size": 3, "seed": 1, "num_frames": 2, "frame_stride": 1, "crop_size": 16}
        targets = join_targets(dataset)
        stream = list(training_clips(dataset, targets, **options).take(7).as_numpy_iterator())
        for start in (1, 4):
            tail = list(
                training_clips(dataset, targets, **options, start_step=start).take(7 - start).as_numpy_iterator()
            )
            for one, other in zip(stream[start:], tail, strict=True):
                self.assertAllEqual(one["clips"], other["clips"])
                self.assertAllEqual(one["index"], other["index"])
        index = np.concatenate([batch["index"] for batch in stream])
        self.assertAllEqual(np.sort(index.reshape(3, 7)), [np.arange(7)] * 3)  # Three epochs of each once.
        self.assertAllEqual(np.concatenate([batch["labels"] for batch in stream]), index % 3)
        self.assertEmpty(verify(self.folder / "D").faults)
        (strip,) = read_strips(dataset, [Place(1, 2)], 2)
        self.assertEqual((strip.clip_id, strip.label_texts), ("train-00001-of-00003#4", ("swim",)))

    def test_several_labels_other_keys_and_records_of_one_video(self):
        names = {"key": "FORWARD/image/encoded", "text_key": "example/labels"}
        rates = {"FORWARD__image__frame_rate": 12.5}
        self.write(
            [
                record(pictures(2), ["run", "swim", "run"], **names, **rates, clip__media_id=b"v1"),
                record(pictures(2), ["jump"], **names, **rates, clip__media_id=b"v1"),
                record(pictures(1), ["jump"], **names, clip__media_id=b"v2"),
            ]
        )
        keys = record_keys(frames="FORWARD/image/encoded", label_text="example/labels", video="clip/media_id")
        dataset = self.index(keys=keys, fps=None)
        self.assertEqual((dataset.num_videos, dataset.fps, dataset.multi_label), (2, 12.5, True))
        table, videos = read_record_labels(dataset)
        self.assertAllEqual(table.classes, [0, 2, 1, 1])
        self.assertAllEqual(videos, [0, 0, 1])
        self.assertEqual(join_targets(dataset, form=SEVERAL).num_clips, 3)
        self.assertEqual([head.seconds for head in read_heads(dataset)], [0.16, 0.16, 0.0])
        self.assertEmpty(verify(self.folder / "D").faults)

    def test_times_of_the_records_are_kept_where_they_can_be(self):
        contents = []
        for times in ([5, 105_000, 190_000], [0, 0, 100_000], [0]):
            example = tf.train.SequenceExample.FromString(record(pictures(3), ["run"], clip__start__timestamp=7))
            for time in times:
                steps = example.feature_lists.feature_list["image/timestamp"]
                steps.feature.add().int64_list.value.append(time)
            contents.append(example.SerializeToString())
        self.write(contents)
        dataset = self.index()
        self.assertEqual([head.seconds for head in read_heads(dataset)], [(290_000 - 5) / 1e6, 0.3, 0.3])
        self.assertEqual(sum(dataset.notes.values()), 2)
        self.assertIn("train-00000-of-00001#1,the times", (self.folder / "D/notes.csv").read_text())
        self.assertEmpty(verify(self.folder / "D").faults)

    def test_ids_alone_are_positions_in_the_classes(self):
        self.write([record(pictures(2), index=[2]), record(pictures(2), index=[0])])
        (batch,) = evaluation_clips(self.index(), batch_size=2, num_frames=2, frame_stride=1, crop_size=16)
        self.assertAllEqual(batch["labels"], [b"2", b"0"])
        self.write([record(pictures(2), ["nonsense"], [1])])
        by_id = self.index("by_id", keys=record_keys(label_text=()))
        self.assertEqual(by_id.clips_per_class, {"run": 0, "jump": 1, "swim": 0})

    def test_clips_without_a_label_train_what_needs_none(self):
        self.write([record(pictures(2), ["run"]), record(pictures(2))])
        dataset = self.index(keep_unlabelled=True)
        self.assertEqual((dataset.num_clips, sum(dataset.clips_per_class.values())), (2, 1))
        self.assertEqual(join_targets(dataset, form=NONE).num_clips, 2)
        with self.assertRaisesRegex(UserError, "has 1 clips without a label"):
            join_targets(dataset)
        self.assertEmpty(verify(self.folder / "D").faults)


class FaultsTest(IndexCase):
    def test_a_missing_key_names_those_that_are_there(self):
        self.write([record(pictures(2), ["run"], key="RGB/image/encoded", caption__string=b"x")])
        self.assertIn("has no feature list 'image/encoded', but 'RGB/image/encoded'", self.fault())
        keys = record_keys(frames="RGB/image/encoded", label_text="label", label_index="")
        self.assertIn("no label under 'label', but 'caption/string', 'clip/label/text'", self.fault(keys=keys))

    def test_texts_that_are_no_class_are_named_with_the_nearest_one(self):
        good = record(pictures(2), ["run"])
        self.write([good, record(pictures(2), ["runs"]), record(pictures(2), ["runs"]), record(pictures(2), ["swimm"])])
        self.assertRegex(
            self.fault(),
            r"train-00000-of-00001 has labels that are none of the 3 classes: 'runs' \(record 1 and 1 more; the "
            r"nearest class is 'run'\), 'swimm' \(record 3; the nearest class is 'swim'\)",
        )
        self.assertFalse((self.folder / "D/dataset.json").exists())

    def test_an_id_beyond_the_classes(self):
        self.write([record(pictures(2), index=[3])])
        self.assertIn("record 0 has label id 3 (clip/label/index), but there are 3 classes, 0 to 2", self.fault())

    def test_ids_of_unknown_classes_are_not_taken_for_ours(self):
        self.write([record(pictures(2), ["jump"], [0]), record(pictures(2), index=[0])])
        self.assertIn("1 clips have label ids but no label text, and of 1 others", self.fault())

    def test_sizes_and_rates_that_differ_need_a_setting(self):
        self.write([record(pictures(2), ["run"]), record(pictures(2, 30, 40), ["run"])])
        self.assertIn("record 1 has frames of 40x30, others a short side of 24: give --short_side", self.fault())
        times = {"clip__start__timestamp": 0, "clip__end__timestamp": 400_000}
        self.write([record(pictures(2), ["run"], **times)])
        self.assertIn("by times and lengths about 5: give --fps", self.fault(fps=None))
        self.write([record(pictures(2), ["run"], image__frame_rate=rate) for rate in (10.0, 25.0)])
        self.assertIn("record 1 has 25 frames per second, others 10: give --fps", self.fault(fps=None))
        self.assertEqual(self.index(fps=12.0).notes, {"it states another frame rate than --fps": 2})

    def test_files_that_are_no_whole_shards(self):
        self.write([record(pictures(2), ["run"]), record(pictures(2), ["jump"])], [record(pictures(2), ["run"])])
        path = self.folder / "theirs/train-00000-of-00002"
        content = path.read_bytes()
        for number, (damaged, message) in enumerate(
            (
                (content[:-7], "record 1 is cut off or damaged"),
                (content[:-50] + b"x" + content[-49:], "record 1 is cut off or damaged"),
                (content + b"abc", "record 2 has no length"),
                (b"path,label\nv.mp4,run\n" * 9, "record 0 has no length that its checksum confirms"),
                (gzip.compress(content), "1 of 2 files are compressed"),
            )
        ):
            path.write_bytes(damaged)
            self.assertIn(message, self.fault(name=f"D{number}"))
        path.write_bytes(gzip.compress(content)[:-20])
        (self.folder / "theirs/train-00001-of-00002").unlink()
        self.assertIn("record 1 is", self.fault())

    def test_a_pattern_must_match_files_of_one_folder(self):
        self.assertIn("matches no file", self.fault())
        self.write([record(pictures(2), ["run"])])
        with self.assertRaisesRegex(UserError, "is a folder, give a pattern"):
            index_shards(str(self.folder / "theirs"), self.folder / "D", classes=CLASSES, keys=record_keys())
        with self.assertRaisesRegex(UserError, "is the folder of the shards"):
            self.index("theirs")

    def test_a_run_that_ended_early_goes_on_with_the_missing_shards(self):
        self.write(*([record(pictures(2), [name])] for name in ("run", "swim", "runs")))
        self.fault()
        fixed = self.folder / "theirs/train-00002-of-00003"
        with tf.io.TFRecordWriter(str(fixed)) as writer:
            writer.write(record(pictures(2), ["run"]))
        read = []
        with mock.patch.object(module, "run_in_workers") as run:
            run.side_effect = lambda function, jobs, **_: (read.extend(jobs), run_here(function, jobs))[1]
            dataset = self.index()
        self.assertEqual([job.path for job in read], [str(fixed)])
        self.assertEqual(dataset.clips_per_class, {"run": 2, "jump": 0, "swim": 1})
        self.assertEqual(self.index(), dataset)
        self.assertIn("was made with other fps", self.fault(fps=11.0))
        whole = self.index("E")
        self.assertEqual([shard.fingerprint for shard in whole.shards], [shard.fingerprint for shard in dataset.shards])

    def test_changed_shards_and_heads_are_found(self):
        self.write([record(pictures(2), ["run"]), record(pictures(2), ["run"])])
        self.index()
        path = self.folder / "theirs/train-00000-of-00001"
        content = path.read_bytes()
        path.write_bytes(content[:-50] + b"x" + content[-49:])
        self.assertIn("has another fingerprint", verify(self.folder / "D").faults[0])
        path.write_bytes(content[:-1])
        with self.assertRaisesRegex(UserError, "dataset.json says .* run spl_tf.index into an empty folder"):
            load_dataset(self.folder / "D")
        path.write_bytes(content)
        heads = self.folder / "D/train-00000-of-00001.heads"
        heads.write_bytes(heads.read_bytes()[:-3])
        self.assertStartsWith(verify(self.folder / "D").faults[0], "train-00000-of-00001 has another fingerprint")
        heads.unlink()
        with self.assertRaisesRegex(UserError, "has no .*heads"):
            load_dataset(self.folder / "D")

    def test_index_and_shards_move_together(self):
        self.write([record(pictures(2), ["run"])])
        self.index()
        (self.folder / "far/away").mkdir(parents=True)
        for name in ("theirs", "D"):
            shutil.move(self.folder / name, self.folder / "far/away" / name)
        dataset = load_dataset(self.folder / "far/away/D")
        (batch,) = evaluation_clips(dataset, batch_size=1, num_frames=2, frame_stride=1, crop_size=16)
        self.assertAllEqual(batch["clip_id"], [b"train-00000-of-00001#0"])


if __name__ == "__main__":
    tf.test.main()
