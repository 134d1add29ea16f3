import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.clip import Clip
from spl_tf.data.record import clip_to_bytes
from spl_tf.data.record_decoding import decode, parse


def _record(frames, height=48, width=70, labels=(2,)):
    clip = Clip(
        "clip", "video", list(labels), ["a"] * len(labels), 0, 1, 25.0, height, width, frames, [*range(len(frames))]
    )
    return tf.constant(clip_to_bytes(clip))


def _frames(count=5, quality=80):
    """Noisy pictures with the usual halved colour resolution."""
    rng = np.random.default_rng(0)
    pictures = [cv2.resize(rng.integers(0, 256, (12, 18, 3), dtype=np.uint8), (70, 48)) for _ in range(count)]
    return [cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes() for picture in pictures]


class RecordDecodingTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        ((0, 0, 48, 70),), ((8, 16, 32, 32),), ((5, 3, 32, 32),), ((15, 37, 33, 33),), ((16, 48, 16, 16),)
    )
    def test_pixels_equal_opencvs_in_any_window(self, window):
        frames = _frames()
        y, x, height, width = window
        clip = decode(parse(_record(frames)), tf.constant([4, 0, 2, 2]), tf.constant(window))
        self.assertEqual(clip.dtype, tf.uint8)
        for number, decoded in zip([4, 0, 2, 2], clip, strict=True):
            picture = cv2.imdecode(np.frombuffer(frames[number], np.uint8), cv2.IMREAD_COLOR)
            self.assertAllEqual(decoded, picture[y : y + height, x : x + width, ::-1])

    def test_frames_that_are_not_drawn_are_not_decoded(self):
        frames = _frames(3)
        frames[1] = b"no JPEG"
        decode(parse(_record(frames)), tf.constant([0, 2]), tf.constant([0, 0, 16, 16]))

    @parameterized.parameters(((0, 0, 49, 32),), ((0, 39, 32, 32),), ((-1, 0, 32, 32),))
    def test_window_outside_the_frame_names_the_clip(self, window):
        with self.assertRaisesRegex(tf.errors.InvalidArgumentError, r"(?s)clip.*smaller than crop_size"):
            decode(parse(_record(_frames())), tf.constant([0]), tf.constant(window))

    @parameterized.parameters(b"", b"no JPEG")
    def test_frame_that_is_no_jpeg_names_the_clip(self, frame):
        with self.assertRaisesRegex(tf.errors.InvalidArgumentError, r"(?s)clip.*no JPEG.*--verify"):
            decode(parse(_record([frame])), tf.constant([0]), tf.constant([0, 0, 16, 16]))

    def test_truncated_jpeg_is_an_error(self):
        frame = _frames(1)[0]
        with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "Invalid JPEG"):
            decode(parse(_record([frame[: len(frame) // 2]])), tf.constant([0]), tf.constant([0, 0, 48, 48]))

    @parameterized.parameters(((),), ((1,),), ((0, 2),))
    def test_parse_reads_any_number_of_labels(self, labels):
        clip = parse(_record(_frames(2), labels=labels))
        self.assertAllEqual(clip.labels, np.array(labels, np.int32))
        self.assertEqual((int(clip.num_frames), int(clip.height), int(clip.width)), (2, 48, 70))
        self.assertEqual((clip.clip_id, clip.video_id), (b"clip", b"video"))
