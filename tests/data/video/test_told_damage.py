"""Damage that a decoder goes over without a word, found by what the container or a stricter decoder says."""

import math
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building import cutting
from spl_tf.data.manifest import Video
from tests.data.video import rendering

FORMAT = cutting.ClipFormat(clip_seconds=0.4, fps=25.0, short_side=48, jpeg_quality=90)
FRAMES = 60


def textured(number):
    """A numbered picture on which noise lies, so that most bytes of a file are of pictures."""
    noise = np.random.default_rng(number).integers(-50, 51, (rendering.HEIGHT, rendering.WIDTH, 3))
    return np.clip(rendering.numbered(number) + noise, 0, 255).astype(np.uint8)


def flipped(content, *places):
    damaged = bytearray(content)
    for place in places:
        damaged[round(place * len(content))] ^= 0x40
    return bytes(damaged)


class ToldDamageTest(parameterized.TestCase, tf.test.TestCase):
    def write(self, name, codec, **options):
        path = pathlib.Path(self.create_tempdir().full_path) / name
        rendering.write(path, (textured(number) for number in range(FRAMES)), codec=codec, **options)
        return path

    def notes(self, path):
        """What a video's probing and cutting say of it."""
        video = Video(str(path), path.name, "v", (0,), ("a",), 0.0, math.inf, ())
        probed = cutting.probe(video)
        notes = list(probed.notes)
        self.clips = list(cutting.cut_clips(video, None, FORMAT, notes.append))
        return {note.kind: note.detail for note in notes}

    @parameterized.parameters(
        ("a.mkv", "libvpx"),
        ("a.mkv", "libx265"),
        ("a.wmv", "wmv2"),
        ("a.avi", "msmpeg4"),
        ("a.ogv", "libvpx"),
        ("a.flv", "flv"),
        ("a.ts", "mpeg4"),
    )
    def test_a_few_wrong_bits_are_told_and_intact_files_are_not(self, name, codec):
        path = self.write(name, codec)
        self.assertEmpty(self.notes(path))
        path.write_bytes(flipped(path.read_bytes(), *np.linspace(0.5, 0.9, 5)))
        first = self.notes(path)
        self.assertNotEmpty(first)
        # FFmpeg's messages are the same ones again.
        self.assertEqual(self.notes(path), first)

    def test_the_clips_that_show_damage_are_named(self):
        path = self.write("a.wmv", "wmv2", options={"g": "10", "b": "2M"})
        path.write_bytes(flipped(path.read_bytes(), 0.5, 0.51, 0.52, 0.53))
        self.assertRegex(self.notes(path)["damaged"], r"seen in v@(800|1200) ")

    @parameterized.parameters(("a.ts", "libx265", "inside a packet"), ("a.ogv", "libvpx", "no last page"))
    def test_a_lost_end(self, name, codec, what):
        path = self.write(name, codec)
        content = path.read_bytes()
        path.write_bytes(content[: 188 * (len(content) * 2 // 3 // 188) + 100])
        self.assertIn(what, self.notes(path)["cut off"])
        self.assertNotEmpty(self.clips)

    def test_a_last_page_that_is_not_whole(self):
        path = self.write("a.ogv", "libvpx")
        path.write_bytes(path.read_bytes()[:-10])
        self.assertIn("cut off", self.notes(path))

    def test_a_transport_stream_that_lacks_a_packet(self):
        path = self.write("a.ts", "libx265")
        content = path.read_bytes()
        packets = [content[place : place + 188] for place in range(0, len(content), 188)]
        of_pictures = [
            place for place, packet in enumerate(packets) if packet[1] & 31 == 1 and packet[2] == 0
        ]  # 0x100.
        del packets[of_pictures[len(of_pictures) // 2]]
        path.write_bytes(b"".join(packets))
        self.assertIn("damaged", self.notes(path))

    @parameterized.parameters("mpegts_m2ts_mode", "")
    def test_a_whole_transport_stream_is_not_cut_off(self, mode):
        path = self.write("a.m2ts" if mode else "a.ts", "mpeg2video")
        path.write_bytes(b"\x00" * 3 + path.read_bytes())  # Recording began inside a packet.
        self.assertNotIn("cut off", self.notes(path))

    def test_the_clusters_with_a_wrong_checksum_are_counted(self):
        path = self.write("a.mkv", "libvpx-vp9", options={"g": "15"})
        path.write_bytes(flipped(path.read_bytes(), 0.5))
        self.assertRegex(self.notes(path)["wrong checksums"], r"\(1 of \d+ clusters\)")
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 2 // 3])
        self.assertNotEmpty(self.notes(path))


if __name__ == "__main__":
    tf.test.main()
