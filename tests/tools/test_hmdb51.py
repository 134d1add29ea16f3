"""HMDB51's official lists, three files of about 133 lines for each of 51 classes, are read as they are."""

import os
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from tools.ucf101_hmdb51 import hmdb51

_NAMES = """brush_hair cartwheel catch chew clap climb climb_stairs dive draw_sword dribble drink eat fall_floor
fencing flic_flac golf handstand hit hug jump kick kick_ball kiss laugh pick pour pullup punch push pushup ride_bike
ride_horse run shake_hands shoot_ball shoot_bow shoot_gun sit situp smile smoke somersault stand swing_baseball sword
sword_exercise talk throw turn walk wave"""
_CLASSES = _NAMES.split()


def write_lists(folder, number):
    """Lists of the official form and size: 70 for training, 30 for test, 1,666 of 6,766 clips unused."""
    for position, name in enumerate(_CLASSES):
        tags = [1] * 70 + [2] * 30 + [0] * (33 if position < 34 else 32)
        tags = tags[number:] + tags[:number]
        lines = [f"#{clip}_(HQ)_a_{name}_f_cm_np1_ba_med_{clip}.avi {tag} " for clip, tag in enumerate(tags)]
        (folder / f"{name}_test_split{number}.txt").write_text("\r\n".join(lines) + "\r\n")


class OfficialFormTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(1, 2, 3)
    def test_split_has_the_published_size(self, number):
        folder = pathlib.Path(self.create_tempdir().full_path)
        write_lists(folder, number)
        split = hmdb51.read_split(folder, number)
        self.assertLen(split.train, 3570)
        self.assertLen(split.test, 1530)
        self.assertEmpty({video.video_id for video in split.train} & {video.video_id for video in split.test})

    def test_there_are_51_classes_in_sorted_order(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        write_lists(folder, 1)
        classes = hmdb51.read_classes(folder)
        self.assertLen(classes, 51)
        self.assertEqual(list(classes), sorted(_CLASSES))


class ListsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.write("walk", 1, "a walk (x)_0.avi 2 \nb.avi 0\n\nc[1].avi   1\n")
        self.write("wave", 1, "b.avi 1\n")

    def write(self, class_name, number, text):
        (self.folder / f"{class_name}_test_split{number}.txt").write_text(text)

    def touch(self, *names):
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def test_tags_say_training_and_test_and_neither(self):
        split = hmdb51.read_split(self.folder, 1)
        self.assertEqual(split.train, (hmdb51.Video("c[1].avi", "walk"), hmdb51.Video("b.avi", "wave")))
        self.assertEqual(split.test, (hmdb51.Video("a walk (x)_0.avi", "walk"),))
        self.assertEqual(split.train[1].video_id, "wave/b")

    def test_missing_list_of_a_class_is_named(self):
        self.write("wave", 2, "b.avi 1\n")
        with self.assertRaisesRegex(UserError, "walk_test_split2.txt does not exist"):
            hmdb51.read_split(self.folder, 2)

    def test_folder_without_lists_is_refused(self):
        with self.assertRaisesRegex(UserError, "no <class>_test_split1.txt files in .*nowhere"):
            hmdb51.read_split(self.folder / "nowhere", 1)

    def test_line_that_is_none_of_a_list_is_named(self):
        for line in ("b.avi 3", "b.avi", "b.mp4 1", "1"):
            self.write("wave", 1, f"a.avi 1\n{line}\n")
            with self.assertRaisesRegex(UserError, f"wave_test_split1.txt line 2 is '{line}'"):
                hmdb51.read_split(self.folder, 1)

    def test_one_name_in_two_classes_is_two_videos(self):
        self.touch("videos/walk/b.avi", "videos/wave/b.avi")
        found = hmdb51.find_videos(self.folder / "videos")
        for class_name in ("walk", "wave"):
            path = hmdb51.path_of(hmdb51.Video("b.avi", class_name), found)
            self.assertEqual(path, self.folder / "videos" / class_name / "b.avi")
        self.assertIsNone(hmdb51.path_of(hmdb51.Video("b.avi", "run"), found))

    def test_videos_are_found_without_class_folders(self):
        self.touch("videos/c[1].avi")
        found = hmdb51.find_videos(self.folder / "videos")
        path = hmdb51.path_of(hmdb51.Video("c[1].avi", "walk"), found)
        self.assertEqual(path, self.folder / "videos/c[1].avi")
        self.assertIsNone(hmdb51.path_of(hmdb51.Video("c.avi", "walk"), found))

    def test_names_are_bytes_of_whatever_encoding(self):
        latin, utf8 = (os.fsdecode("K\u00fcr_{}.avi".encode(code)) for code in ("latin-1", "utf-8"))
        (self.folder / "walk_test_split1.txt").write_bytes(os.fsencode(f"{latin.format(1)} 1 \n{utf8.format(2)} 1\n"))
        listed = hmdb51.read_split(self.folder, 1).train[:2]
        self.assertEqual([video.file_name for video in listed], [latin.format(1), utf8.format(2)])
        for names in ((latin, latin), (utf8, latin), (latin, utf8), (utf8, utf8)):
            folder = pathlib.Path(self.create_tempdir().full_path) / "walk"
            folder.mkdir()
            paths = [folder / name.format(number) for number, name in enumerate(names, 1)]
            for path in paths:
                path.touch()
            found = hmdb51.find_videos(folder.parent)
            self.assertEqual([hmdb51.path_of(video, found) for video in listed], paths)

    def test_a_near_name_is_of_the_class(self):
        self.touch("videos/Walk/b (1).avi", "videos/wave/walking_f_nm_np1_ri_med_3.avi", "videos/walk/another.avi")
        found = hmdb51.find_videos(self.folder / "videos")
        self.assertEqual(hmdb51.near_name(hmdb51.Video("b_1.avi", "walk"), found), "b (1).avi")
        self.assertEqual(hmdb51.near_name(hmdb51.Video("anotther.avi", "walk"), found), "another.avi")
        self.assertEqual(hmdb51.near_name(hmdb51.Video("walkin_f_nm_np1_ri_med_3.avi", "walk"), found), "")

    def test_folder_without_videos_is_refused(self):
        with self.assertRaisesRegex(UserError, "no .avi files"):
            hmdb51.find_videos(self.folder)


if __name__ == "__main__":
    tf.test.main()
