"""A folder of numbered images is read as a video is."""

import pathlib

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.video.frame_folder import FrameFolder, open_reader
from spl_tf.data.video.reader import UnreadableError


class FrameFolderTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def write(self, *names, size=(12, 16)):
        for name in names:
            number = int("".join(filter(str.isdigit, name)) or 0)
            cv2.imwrite(str(self.folder / name), np.full((*size, 3), number, np.uint8))

    def read(self, start_us=0, fps=25.0):
        reader = FrameFolder(str(self.folder), fps)
        if start_us:
            reader.start_before(start_us)
        return [(time_us, int(reader.pixels()[0, 0, 0])) for time_us in reader]

    def test_frames_come_in_the_order_of_their_numbers_at_their_times(self):
        self.write(*(f"img_{number}.png" for number in range(8, 13)))
        (self.folder / "Thumbs.db").write_bytes(b"x")
        self.assertEqual(self.read(), [(0, 8), (40_000, 9), (80_000, 10), (120_000, 11), (160_000, 12)])
        reader = FrameFolder(str(self.folder), 30.0)
        self.assertEqual((reader.height, reader.width, reader.period_us), (12, 16, 33_333))
        self.assertEqual(reader.duration_us(), 166_667)
        self.assertEqual(list(reader), [0, 33_333, 66_667, 100_000, 133_333])
        self.assertEqual((reader.start_us, reader.promised_us, reader.shown_until_us), (0, 166_667, 166_667))
        reader.close()

    def test_a_frame_can_be_had_when_the_next_has_begun(self):
        self.write("1.png", "2.png", "3.png")
        later = []
        reader = FrameFolder(str(self.folder), 25.0)
        for time_us in reader:
            later.append((reader.later(), reader.shown_until_us))
            self.assertEqual(reader.shown_until_us, time_us + 40_000)
        self.assertEqual([int(pixels()[0, 0, 0]) for pixels, _ in later], [1, 2, 3])

    def test_a_folder_is_opened_as_one_where_its_rate_is_given(self):
        self.write("1.png", "2.png")
        self.assertEqual(list(open_reader(str(self.folder), 10.0)), [0, 100_000])
        with self.assertRaises(UnreadableError):
            open_reader(str(self.folder), None)

    @parameterized.product(start_us=(1, 39_999, 40_000, 100_000, 10_000_000), fps=(25.0, 29.97))
    def test_a_jump_changes_no_frame(self, start_us, fps):
        self.write(*(f"{number:05d}.png" for number in range(9)))
        whole, part = self.read(fps=fps), self.read(start_us, fps)
        self.assertEqual(part, whole[-len(part) :])
        self.assertLessEqual(part[0][0], start_us)

    def test_optical_flow_beside_the_frames_is_passed_over(self):
        self.write(*(f"{prefix}{number:05d}.png" for prefix in ("img_", "flow_x_", "flow_y_") for number in (1, 2)))
        cv2.imwrite(str(self.folder / "flow_x_00001.png"), np.full((5, 5), 77, np.uint8))
        self.assertEqual([value for _, value in self.read()], [1, 2])

    @parameterized.named_parameters(
        ("gap", ("1.png", "2.png", "4.png"), r"frames are missing \(3 from 1 to 4, the first gap at 3\)"),
        ("two series", ("a1.png", "b1.png"), r"several series of frames \(a\*, b\*\)"),
        ("no number", ("1.png", "cover.png"), r"frames without numbers \(cover.png\)"),
        ("one number twice", ("1.png", "01.png"), r"frames of equal numbers \(01.png, 1.png\)"),
        ("no images", (), "folder without images"),
    )
    def test_what_is_no_whole_series_is_refused(self, names, message):
        self.write(*names)
        (self.folder / "notes.txt").write_text("x")
        with self.assertRaisesRegex(UnreadableError, message):
            FrameFolder(str(self.folder), 25.0)

    def test_a_damaged_frame_and_one_of_another_size_are_named(self):
        self.write("1.png", "2.png")
        self.write("3.png", size=(10, 10))
        with self.assertRaisesRegex(UnreadableError, r"frames of several sizes \(16x12, 3.png 10x10\)"):
            self.read()
        (self.folder / "2.png").write_bytes(b"x")
        with self.assertRaisesRegex(UnreadableError, r"cannot be decoded as an image \(2.png\)"):
            self.read()
        with self.assertRaisesRegex(UnreadableError, "cannot be read"):
            FrameFolder(str(self.folder / "none"), 25.0)
