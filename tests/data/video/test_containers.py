"""What is no video of one local file is told by name, and nothing else is opened for it."""

import os
import pathlib
import wave

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.video.errors import UnreadableError
from spl_tf.data.video.reader import VideoReader
from tests.data.video.rendering import write_numbered

NOT_OPENED = "cannot be opened as a video"


class ContainersTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        write_numbered(self.folder / "other.mp4", 30, codec="mpeg4")

    def assert_refused(self, path, message):
        with self.assertRaisesRegex(UnreadableError, message):
            VideoReader(str(path))

    @parameterized.parameters("x.m3u8", "x.m3u", "x.mp4")
    def test_playlists_and_scripts_do_not_lead_to_other_files(self, name):
        path = self.folder / name
        for entry in ("other.mp4", f"file://{self.folder}/other.mp4", f"{self.folder}/other.mp4", "../x/other.mp4"):
            path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{entry}\n#EXT-X-ENDLIST\n")
            self.assert_refused(path, rf"{NOT_OPENED} \(a playlist\)")
            path.write_text(f"ffconcat version 1.0\nfile {entry}\n")
            self.assert_refused(path, rf"{NOT_OPENED} \(a concat script\)")

    @parameterized.named_parameters(
        ("text", b"hello\n" * 100, r"\(text\)"),
        ("web_page", b"<!DOCTYPE html><p>Video unavailable", r"\(XML or HTML"),
        ("zeros", bytes(5000), r"\(of no known container, or damaged at its beginning\)"),
        ("noise", bytes(range(256)) * 50, r"\(of no known container"),
        ("nothing", b"", r"\(an empty file\)"),
    )
    def test_other_content_is_named(self, content, message):
        path = self.folder / "v.mp4"
        path.write_bytes(content)
        self.assert_refused(path, f"{NOT_OPENED} {message}")

    def test_images_and_sequences_of_them_are_no_video(self):
        cv2.imwrite(str(self.folder / "p.jpg"), np.full((48, 64, 3), 90, np.uint8))
        os.rename(self.folder / "p.jpg", self.folder / "p1.mp4")
        self.assert_refused(self.folder / "p1.mp4", r"\(a JPEG image: give it the suffix .jpg\)")
        self.assert_refused(self.folder / "p%d.mp4", r"cannot be read \(No such file")

    def test_sound_is_no_video(self):
        path = self.folder / "s.wav"
        with wave.open(str(path), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(bytes(16_000))
        self.assert_refused(path, NOT_OPENED)

    def test_what_is_no_regular_file_is_not_waited_for(self):
        os.mkfifo(self.folder / "fifo.mp4")
        for path in (self.folder / "fifo.mp4", self.folder, pathlib.Path("/dev/zero")):
            self.assert_refused(path, "not a file")
        self.assert_refused(self.folder / "none.mp4", "cannot be read")
        self.assert_refused("a\0b.mp4", "cannot be read")

    def test_names_that_look_like_addresses_are_files(self):
        for name in ("http:x.mp4", "concat:a|b.mp4", "%03d.mp4"):
            write_numbered(self.folder / "v.mp4", 3, codec="mpeg4")
            os.rename(self.folder / "v.mp4", self.folder / name)
            self.assertEqual(len([*VideoReader(str(self.folder / name))]), 3)
        os.rename(self.folder / "other.mp4", os.fsencode(self.folder) + b"/\xe9\xff.mp4")
        self.assertEqual(len([*VideoReader(os.fsdecode(os.fsencode(self.folder) + b"/\xe9\xff.mp4"))]), 30)

    def test_a_reason_names_codec_and_container(self):
        path = self.folder / "other.mp4"
        content = bytearray(path.read_bytes())
        start = content.index(b"mdat") + 4
        end = content.index(b"moov") - 4
        content[start:end] = bytes(end - start)
        path.write_bytes(content)
        self.assert_refused(path, r"no frame can be decoded \(mpeg4 in mov\)")
        unknown = content.replace(b"mp4v", b"zzzz")
        path.write_bytes(unknown)
        self.assert_refused(path, r"(no decoder for its codec|holds no video|no frame can be decoded) \(.*mov\)")


if __name__ == "__main__":
    tf.test.main()
