"""A folder whose subfolders are named by class, in place of a manifest."""

import contextlib
import io
import os
import pathlib

import tensorflow as tf

from spl_tf.data.building.shards import write_shards
from spl_tf.data.lists.class_folders import manifest_digest
from spl_tf.data.manifest import Video, read_manifest
from spl_tf.errors import UserError

CLASSES = ("archery", "push|pull", "surfing")


class ClassFoldersTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "train"
        for name in (
            *("archery/b.mp4", "archery/a.JPG", "archery/sub/a.mp4", "archery/notes.txt", "push|pull/a.mp4"),
            *("archry/c.mp4", "readme.md", "surfing/clip/1.jpg", "surfing/clip/2.jpg", "surfing/3.jpg"),
        ):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(b"video")
        (self.folder / "empty").mkdir()

    def read(self, **options):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            entries = read_manifest(self.folder, CLASSES, "query", **options)
        self.printed = printed.getvalue()
        return {entry.listed_path: entry.labels[0] for entry in entries if isinstance(entry, Video)}, {
            entry.path: entry.reason for entry in entries if not isinstance(entry, Video)
        }

    def test_every_file_is_a_row_of_its_subfolders_class(self):
        videos, rejected = self.read()
        self.assertEqual(
            videos,
            {
                **{"archery/a.JPG": 0, "archery/b.mp4": 0, "archery/sub/a.mp4": 0, "push|pull/a.mp4": 1},
                **{"surfing/3.jpg": 2, "surfing/clip/1.jpg": 2, "surfing/clip/2.jpg": 2},
            },
        )
        self.assertEqual(
            rejected,
            {
                "archery/notes.txt": "text file, no video",
                "archry/c.mp4": "unknown label 'archry' (is it 'archery'?)",
                "readme.md": "no label",
            },
        )
        self.assertIn("1 folders hold no file: empty", self.printed)

    def test_with_frames_per_second_a_folder_of_images_below_is_one_video(self):
        videos, _ = self.read(frames_fps=12.5)
        self.assertEqual({path for path in videos if path.startswith("surfing")}, {"surfing/3.jpg", "surfing/clip"})
        (clip,) = [entry for entry in read_manifest(self.folder, CLASSES, "query", 12.5) if entry.path.endswith("clip")]
        self.assertEqual((clip.frames_fps, clip.video_id), (12.5, "clip"))

    def test_links_are_followed_but_not_in_circles(self):
        other = self.folder.parent / "elsewhere"
        other.mkdir()
        (other / "z.mp4").write_bytes(b"video")
        (self.folder / "surfing/linked").symlink_to(other)
        (self.folder / "surfing/circle").symlink_to(self.folder)
        videos, _ = self.read()
        self.assertIn("surfing/linked/z.mp4", videos)
        self.assertLen(videos, 8)

    def test_a_name_that_is_not_utf8_is_rejected_by_that(self):
        (self.folder / os.fsdecode(b"surfing/K\xfcr.mp4")).write_bytes(b"video")
        _, rejected = self.read()
        self.assertEqual(rejected["surfing/K\\udcfcr.mp4"], "file name is not UTF-8 (rename it)")

    def test_classes_that_no_subfolder_has_are_a_mistake(self):
        with self.assertRaisesRegex(UserError, r"without a subfolder named by a class \(it has archery, archry, push"):
            read_manifest(self.folder, ("walk", "run"), "label")

    def test_shards_do_not_go_into_the_folder_that_is_read(self):
        for output in (self.folder, self.folder / "shards"):
            with self.assertRaisesRegex(UserError, "lies in the folder .*train, whose files are read"):
                write_shards(self.folder, output, classes=CLASSES, clip_seconds=1, fps=5, short_side=24)
        self.assertFalse((self.folder / "shards").exists())

    def test_another_file_or_size_is_another_list(self):
        first = manifest_digest(self.folder)
        self.assertEqual(manifest_digest(self.folder), first)
        (self.folder / "surfing/3.jpg").write_bytes(b"another")
        second = manifest_digest(self.folder)
        (self.folder / "surfing/4.jpg").write_bytes(b"video")
        self.assertLen({first, second, manifest_digest(self.folder)}, 3)
