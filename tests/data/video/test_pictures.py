"""Colours, transparency, orientation and fields, against formulas and made pictures."""

import contextlib
import math
import pathlib
import struct

import av
import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building.cutting import ClipFormat, cut_clips
from spl_tf.data.manifest import Video
from spl_tf.data.video.errors import UnreadableError
from spl_tf.data.video.pictures import Converter, on_background
from spl_tf.data.video.reader import VideoReader
from tests.data.video.rendering import number_of, write, write_numbered

# ITU-T H.273, tables 4: (code, K_R, K_B).
_MATRICES = {
    "709": (1, 0.2126, 0.0722),
    "601": (6, 0.299, 0.114),
    "2020": (9, 0.2627, 0.0593),
    "unmarked": (2, 0.299, 0.114),
}
_LOSSLESS = {"codec": "ffv1", "pixel_format": "bgra"}


def flat_frame(y, u, v, pixel_format="yuv420p", scale=1):
    frame = av.VideoFrame(64, 48, pixel_format)
    for plane, value in zip(frame.planes, (y, u, v), strict=True):
        width = plane.line_size // (1 if scale == 1 else 2)
        plane.update(np.full((plane.height, width), value * scale, np.uint8 if scale == 1 else "<u2").tobytes())
    return frame


def bgr_of(y, u, v, k_r, k_b, full):
    """ITU-R BT.601, 709 and 2020 alike, with 8 bits."""
    luma, blue, red = (
        (y / 255, (u - 128) / 255, (v - 128) / 255) if full else ((y - 16) / 219, (u - 128) / 224, (v - 128) / 224)
    )
    r, b = luma + 2 * (1 - k_r) * red, luma + 2 * (1 - k_b) * blue
    return 255 * np.clip([b, (luma - k_r * r - k_b * b) / (1 - k_r - k_b), r], 0, 1)


class PicturesTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    @parameterized.product(matrix=list(_MATRICES), full=[False, True], bits=[8, 10])
    def test_colours_follow_the_matrix_and_range_of_the_frame(self, matrix, full, bits):
        code, k_r, k_b = _MATRICES[matrix]
        generator = np.random.default_rng(0)
        for _ in range(20):
            y, u, v = int(generator.integers(40, 200)), *map(int, generator.integers(100, 156, 2))
            frame = flat_frame(y, u, v) if bits == 8 else flat_frame(y, u, v, "yuv420p10le", 4)
            frame.colorspace, frame.color_range = code, 2 if full else 1
            # FFmpeg's fast conversion is off by up to 3 levels.
            self.assertAllClose(Converter(frame).pixels(frame)[24, 32], bgr_of(y, u, v, k_r, k_b, full), atol=4)

    def test_transparent_pixels_lie_on_white(self):
        pixels = np.array([[[0, 100, 200, 0], [0, 100, 200, 255], [0, 100, 200, 51]]], np.uint8)
        self.assertAllEqual(on_background(pixels), [[[255, 255, 255], [0, 100, 200], [204, 224, 244]]])
        path = self.folder / "v.mkv"
        picture = np.zeros((48, 64, 4), np.uint8)
        picture[:, :32] = (10, 20, 30, 255)
        write(path, [picture] * 3, **_LOSSLESS)
        with contextlib.closing(VideoReader(str(path))) as reader:
            next(iter(reader))
            self.assertAllEqual(reader.pixels()[10, [5, 60]], [[10, 20, 30], [255, 255, 255]])

    @parameterized.parameters(
        ((1, 0, 0, 1), lambda picture: picture),
        ((0, 1, -1, 0), lambda picture: cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE)),
        ((-1, 0, 0, -1), lambda picture: cv2.rotate(picture, cv2.ROTATE_180)),
        ((0, -1, 1, 0), lambda picture: cv2.rotate(picture, cv2.ROTATE_90_COUNTERCLOCKWISE)),
        ((-1, 0, 0, 1), lambda picture: cv2.flip(picture, 1)),
        ((1, 0, 0, -1), lambda picture: cv2.flip(picture, 0)),
        ((0, 1, 1, 0), cv2.transpose),
    )
    def test_pictures_are_upright(self, matrix, turned):
        path = self.folder / "v.mp4"
        picture = np.random.default_rng(0).integers(0, 255, (3, 4, 3), np.uint8)
        picture = cv2.resize(picture, (64, 48), interpolation=cv2.INTER_NEAREST)
        write(path, [picture] * 3, codec="mpeg4", options={"q:v": "1"})
        content = path.read_bytes()
        place = content.index(b"tkhd") + 44
        a, b, c, d = (value << 16 for value in matrix)
        stored = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        for_untouched = VideoReader(str(path))
        next(iter(for_untouched))
        path.write_bytes(content[:place] + stored + content[place + 36 :])
        with contextlib.closing(VideoReader(str(path))) as reader:
            next(iter(reader))
            expected = turned(for_untouched.pixels())
            self.assertEqual((reader.height, reader.width), expected.shape[:2])
            self.assertAllEqual(reader.pixels(), expected)

    @parameterized.parameters((16, "PQ"), (18, "HLG"))
    def test_high_dynamic_range_is_set_aside_by_name(self, curve, name):
        path = self.folder / "v.mkv"

        def prepare(stream):
            stream.codec_context.color_trc = curve

        write_numbered(
            path,
            3,
            codec="libx265",
            pixel_format="yuv420p10le",
            options={"x265-params": "log-level=none"},
            prepare=prepare,
        )
        with self.assertRaisesRegex(UnreadableError, rf"high dynamic range \({name}, hevc in matroska"):
            VideoReader(str(path))

    def test_fields_are_joined_and_frames_keep_number_and_time(self):
        """Two fields of other moments: of a bar that moves by 8 pixels between them no comb is left."""
        frames = []
        for number in range(14):
            frame = np.full((96, 160, 3), 40, np.uint8)
            for parity in (0, 1):
                left = 16 * number // 2 + 8 * parity + 10
                frame[parity::2, left : left + 24] = 200
            frames.append(frame)

        path, plain = self.folder / "v.mkv", self.folder / "p.mkv"
        interlaced = {"codec": "mpeg2video", "options": {"flags": "+ilme+ildct", "q:v": "2"}}
        write(path, frames, **interlaced, interlaced=lambda number: True)
        write(plain, frames, codec="mpeg2video", options={"q:v": "2"})

        def comb(pixels):
            rows = pixels[..., 0].astype(int)
            return np.mean(abs(rows[1:-1] - rows[:-2]) > 60)

        combs = {}
        for name in (path, plain):
            with contextlib.closing(VideoReader(str(name))) as reader:
                combs[name] = [(time_us, comb(reader.pixels())) for time_us in reader]
        self.assertEqual([time_us for time_us, _ in combs[path]], [time_us for time_us, _ in combs[plain]])
        self.assertGreater(min(share for _, share in combs[plain]), 0.05)
        self.assertLess(max(share for _, share in combs[path][1:-1]), 0.02)

    def test_fields_that_begin_late_have_the_same_bits_wherever_reading_begins(self):
        path = self.folder / "v.mkv"
        write_numbered(
            path,
            800,
            codec="mpeg2video",
            options={"flags": "+ilme+ildct", "g": "12", "bf": "2"},
            interlaced=lambda number: number >= 600,
        )
        video = Video(str(path), "v.mkv", "v", (0,), ("a",), 23.0, math.inf, ())
        whole = Video(str(path), "v.mkv", "v", (0,), ("a",), 0.0, math.inf, ())
        clip_format = ClipFormat(1.0, 25.0, 120, 95)
        late = list(cut_clips(video, None, clip_format))
        every = list(cut_clips(whole, None, clip_format))
        self.assertEqual([clip.frames for clip in late], [clip.frames for clip in every[23:]])
        self.assertEqual([number_of(clip.frames[0]) for clip in late], [575 + 25 * place for place in range(9)])

    def test_odd_sizes_keep_their_size(self):
        for size in ((63, 49), (64, 49), (63, 48)):
            path = self.folder / f"{size}.mkv"
            write_numbered(path, 3, size=size, codec="ffv1", pixel_format="yuv444p")
            with contextlib.closing(VideoReader(str(path))) as reader:
                next(iter(reader))
                self.assertEqual(reader.pixels().shape, (size[1], size[0], 3))
                self.assertEqual(number_of(reader.pixels()), 0)


if __name__ == "__main__":
    tf.test.main()
