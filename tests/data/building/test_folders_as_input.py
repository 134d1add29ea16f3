"""Folders named by class, and folders of frames, from the list to shards."""

import contextlib
import io
import pathlib

import cv2
import tensorflow as tf

from spl_tf.data.building.shards import write_shards
from spl_tf.data.record import clip_from_bytes
from tests.data.video.rendering import number_of, numbered, write_numbered


class FoldersTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def clips(self, manifest, **options):
        options = {"clip_seconds": 1.0, "fps": 25.0, "short_side": 48, "workers": 1, "keep_duplicates": True} | options
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            dataset = write_shards(manifest, self.folder / "D", classes=("a", "b"), **options)
        records = [record for shard in dataset.shards for record in tf.data.TFRecordDataset(shard.path)]
        return sorted((clip_from_bytes(record.numpy()) for record in records), key=lambda clip: clip.clip_id)

    def test_a_folder_of_class_folders_is_a_list(self):
        for name in ("a", "b"):
            (self.folder / "videos" / name).mkdir(parents=True)
            write_numbered(self.folder / "videos" / name / "v.mp4", 30, codec="mpeg4")
        clips = self.clips(self.folder / "videos")
        self.assertEqual([clip.label_texts for clip in clips], [["a"], ["b"]])
        self.assertEqual([number_of(jpeg) for jpeg in clips[1].frames], list(range(25)))

    def test_a_folder_of_frames_is_a_video(self):
        (self.folder / "v").mkdir()
        for number in range(60):
            cv2.imwrite(str(self.folder / "v" / f"img_{number + 1:05d}.jpg"), numbered(number))
        (self.folder / "m.csv").write_text("path,label\nv,a\n")
        clips = self.clips(self.folder / "m.csv", frames_fps=25.0)
        self.assertEqual([clip.clip_id for clip in clips], ["v@0", "v@1000"])
        self.assertEqual([number_of(jpeg) for clip in clips for jpeg in clip.frames], list(range(50)))


if __name__ == "__main__":
    tf.test.main()
