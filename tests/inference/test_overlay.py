import pathlib

import cv2
import matplotlib
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from PIL import Image

from spl_tf.inference import overlay

LINES = ["clip@0", "weak label: run"]


def _frames(number, height=112, width=112):
    """Frame i has the brightness 10 * i."""
    return np.stack([np.full((height, width, 3), 10 * i, np.uint8) for i in range(number)])


class OverlayTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_it_is_half_the_frame_and_half_the_heat(self):
        rng = np.random.default_rng(0)
        frames = rng.integers(0, 256, (3, 16, 20, 3), np.uint8)
        maps = rng.random((3, 16, 20)).astype(np.float32)
        maps[0, 0, :2] = 0, 1
        heat = matplotlib.colormaps["turbo"](np.rint(255 * maps).astype(np.uint8))[..., :3]
        self.assertAllClose(overlay.overlay(frames, maps), 0.5 * frames + 127.5 * heat, atol=2.0)
        # Blue for nothing and red for most.
        self.assertEqual((heat[0, 0, 0].argmax(), heat[0, 0, 1].argmax()), (2, 0))

    @parameterized.parameters((1, [0]), (3, [0, 1, 2]), (8, list(range(8))), (22, [0, 3, 6, 9, 12, 15, 18, 21]))
    def test_a_strip_shows_up_to_eight_frames_from_the_first_to_the_last(self, number, expected):
        strip = overlay.strip(_frames(number), np.zeros((number, 112, 112)), LINES)
        self.assertEqual(strip[56, 56 : 112 * len(expected) : 112, 0].tolist(), [10 * frame for frame in expected])
        # Below each its overlay, brighter by the same steps.
        below = strip[112 + 56, 56 : 112 * len(expected) : 112, 0].astype(int)
        self.assertAllClose(below - below[0], [5 * frame for frame in expected], atol=1)

    @parameterized.parameters((28, 4), (112, 1), (113, 1), (57, 2), (200, 1))
    def test_frames_are_enlarged_by_a_whole_factor_and_sizes_are_even(self, size, factor):
        rng = np.random.default_rng(0)
        frames = rng.integers(0, 256, (3, size, size, 3), np.uint8)
        side = size * factor
        strip = overlay.strip(frames, np.zeros((3, size, size)), LINES)
        moving = overlay.animation(frames, np.zeros((3, size, size)), LINES)
        for picture in (strip, moving[0]):
            self.assertEqual((picture.shape[0] % 2, picture.shape[1] % 2), (0, 0))
        for number, frame in enumerate(frames):
            expected = np.kron(frame, np.ones((factor, factor, 1), np.uint8))
            self.assertAllEqual(strip[:side, number * side : (number + 1) * side], expected)
            self.assertAllEqual(moving[number, :side, :side], expected)
            # The overlay is the same below and to the right.
            self.assertAllEqual(
                moving[number, :side, side : 2 * side], strip[side : 2 * side, number * side : (number + 1) * side]
            )

    def test_captions_of_any_script_and_length_stay_on_the_paper(self):
        inks = []
        for line in ("", "a", "скачки", "رماية", "$1_{", "w" * 300):
            strip = overlay.strip(_frames(2), np.zeros((2, 112, 112)), ["clip@0", line])
            self.assertEqual(strip.shape, (2 * 112 + 2 * 18 + 12, 448, 3))
            caption = strip[2 * 112 :]
            self.assertEqual(caption[:, -6:].min(), 255)
            self.assertEqual(min(caption[:2].min(), caption[-2:].min()), 255)
            inks.append((caption[6 + 18 :].min(axis=-1) < 128).sum())
        self.assertEqual(inks[0], 0)
        self.assertGreater(min(inks[1:]), 5)

    def test_a_gif_has_every_frame_its_time_and_its_colours(self):
        pictures = overlay.animation(_frames(5), np.random.default_rng(0).random((5, 112, 112)), LINES)
        overlay.write_gif(self.folder / "a.gif", pictures, 12.5)
        with Image.open(self.folder / "a.gif") as gif:
            self.assertEqual((gif.n_frames, gif.size), (5, (448, pictures.shape[1])))
            self.assertEqual(gif.info["loop"], 0)
            for number, picture in enumerate(pictures):
                gif.seek(number)
                self.assertEqual(gif.info["duration"], 80)
                self.assertLess(np.abs(np.array(gif.convert("RGB")).astype(int) - picture).mean(), 4)

    @parameterized.parameters(30, 24, 15, 12)
    def test_a_gif_lasts_as_long_as_its_clip(self, frame_rate):
        pictures = np.random.default_rng(0).integers(0, 256, (2 * frame_rate, 16, 16, 3), np.uint8)
        overlay.write_gif(self.folder / "a.gif", pictures, frame_rate)
        with Image.open(self.folder / "a.gif") as gif:
            lasts = 0
            for number in range(gif.n_frames):
                gif.seek(number)
                lasts += gif.info["duration"]
        self.assertEqual(lasts, 2000)

    def test_an_mp4_has_every_frame_its_rate_and_its_colours(self):
        pictures = overlay.animation(_frames(5, 113, 113), np.zeros((5, 113, 113)), LINES)
        overlay.write_mp4(self.folder / "a.mp4", pictures, 12.5)
        video = cv2.VideoCapture(str(self.folder / "a.mp4"))
        self.assertEqual(video.get(cv2.CAP_PROP_FPS), 12.5)
        for picture in pictures:
            shown, frame = video.read()
            self.assertTrue(shown)
            self.assertEqual(frame.shape, picture.shape)
            self.assertLess(np.abs(frame[..., ::-1].astype(int) - picture).mean(), 6)
        self.assertFalse(video.read()[0])

    def test_a_png_is_exact(self):
        picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
        overlay.write_png(self.folder / "a.png", picture)
        self.assertAllEqual(cv2.imread(str(self.folder / "a.png"))[..., ::-1], picture)

    def test_file_names_are_safe_short_and_differ_for_different_clips(self):
        self.assertEqual(overlay.file_name("v_1.mp4@20", "run"), "v_1.mp4@20--run")
        self.assertEqual(overlay.file_name("v@0", "ジャンプ|run off"), "v@0--ジャンプ_run_off")
        ids = [
            "a/b@0",
            "a b@0",
            "a_b@0",
            "../../etc/passwd",
            "-rf",
            ".hidden",
            "a\x00b",
            "x" * 300,
            "x" * 301,
            "漢" * 90,
        ]
        names = [overlay.file_name(clip_id, "c" * 200) for clip_id in ids]
        self.assertLen(set(names), len(ids))
        for name in names:
            self.assertRegex(name, r"^[\w~][\w.@~-]*$")
            self.assertLess(len(name.encode()), 180)


if __name__ == "__main__":
    tf.test.main()
