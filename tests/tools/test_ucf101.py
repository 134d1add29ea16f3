"""The official UCF101 lists are read as they are."""

import pathlib

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from tools.ucf101_hmdb51 import ucf101

# Optional local data: the official lists.
_LISTS = pathlib.Path(__file__).parents[2].parent / "shared/data/ucf101_splits"


class OfficialListsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        if not _LISTS.exists():
            self.skipTest(f"no UCF101 lists in {_LISTS}")

    def test_there_are_101_classes(self):
        classes = ucf101.read_classes(_LISTS)
        self.assertLen(classes, 101)
        self.assertEqual((classes[0], classes[-1]), ("ApplyEyeMakeup", "YoYo"))

    @parameterized.parameters((1, 9537, 3783), (2, 9586, 3734), (3, 9624, 3696))
    def test_split_has_the_published_size(self, number, num_train, num_test):
        split = ucf101.read_split(_LISTS, number)
        self.assertLen(split.train, num_train)
        self.assertLen(split.test, num_test)
        self.assertLen({video.file_name for video in split.train + split.test}, 13320)

    def test_groups_are_never_shared_between_train_and_test(self):
        split = ucf101.read_split(_LISTS, 1)
        train, test = ({(video.class_name, video.group) for video in videos} for videos in (split.train, split.test))
        self.assertEmpty(train & test)
        self.assertEqual({group for _, group in test}, set(range(1, 8)))

    def test_class_is_the_folder_and_not_the_file_name(self):
        videos = [video for video in ucf101.read_split(_LISTS, 1).test if video.class_name == "HandstandPushups"]
        self.assertLen(videos, 28)
        self.assertStartsWith(videos[0].file_name, "v_HandStandPushups_")


class MadeListsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir())
        self._write("classInd.txt", "1 Archery\r\n2 HandstandPushups\r\n")
        self._write("trainlist01.txt", "HandstandPushups/v_HandStandPushups_g08_c01.avi 2\r\n\r\n")
        self._write("testlist01.txt", "Archery/v_Archery_g07_c12.avi\r\n")

    def _write(self, name, text):
        (self.folder / name).write_bytes(text.encode())

    def test_lines_become_videos(self):
        split = ucf101.read_split(self.folder, 1)
        self.assertEqual(split.train, (ucf101.Video("v_HandStandPushups_g08_c01.avi", "HandstandPushups", 8),))
        self.assertEqual(split.test, (ucf101.Video("v_Archery_g07_c12.avi", "Archery", 7),))

    def test_missing_list_is_named(self):
        with self.assertRaisesRegex(UserError, "trainlist02.txt does not exist"):
            ucf101.read_split(self.folder, 2)

    def test_line_of_an_unknown_class_is_named(self):
        self._write("testlist01.txt", "Archery/v_Archery_g01_c01.avi\nDancing/v_Dancing_g01_c01.avi\n")
        with self.assertRaisesRegex(UserError, "testlist01.txt line 2 is 'Dancing"):
            ucf101.read_split(self.folder, 1)

    def test_id_that_contradicts_the_class_list_is_refused(self):
        self._write("trainlist01.txt", "Archery/v_Archery_g08_c01.avi 2\n")
        with self.assertRaisesRegex(UserError, "Archery has id 2, in classInd.txt 1"):
            ucf101.read_split(self.folder, 1)

    def test_class_ids_must_count_from_one(self):
        self._write("classInd.txt", "0 Archery\n1 Surfing\n")
        with self.assertRaisesRegex(UserError, "classInd.txt line 1"):
            ucf101.read_classes(self.folder)

    def test_videos_are_found_in_class_folders_and_flat(self):
        flat, nested = self.folder / "v_Archery_g01_c01.avi", self.folder / "Surfing" / "v_Surfing_g01_c01.avi"
        nested.parent.mkdir()
        for path in (flat, nested):
            path.touch()
        self.assertEqual(ucf101.find_videos(self.folder).by_name(), {flat.name: flat, nested.name: nested})

    def test_videos_are_found_with_another_suffix_or_case(self):
        video = ucf101.Video("v_HandStandPushups_g08_c01.avi", "HandstandPushups", 8)
        for name in (
            "v_HandstandPushups_g08_c01.webm",
            "V_handstandpushups_G08_C01.MP4",
            "v_HandStandPushups_g08_c01.avi",
        ):
            (self.folder / name).touch()  # Each is preferred to those before.
            self.assertEqual(ucf101.path_of(video, ucf101.find_videos(self.folder)), self.folder / name)

    def test_a_near_name_is_of_the_same_group_and_clip(self):
        for name in (
            "v_HandstandPushup_g08_c01.avi",
            "v_HandStandPushups_g08_c02.avi",
            "v_Hand-Stand_Push_ups_g09_c01.avi",
        ):
            (self.folder / name).touch()
        found = ucf101.find_videos(self.folder)
        for tail, near in (
            ("g08_c01", "v_HandstandPushup_g08_c01.avi"),
            ("g08_c03", ""),
            ("g09_c01", "v_Hand-Stand_Push_ups_g09_c01.avi"),
        ):
            video = ucf101.Video(f"v_HandStandPushups_{tail}.avi", "HandstandPushups", 8)
            self.assertIsNone(ucf101.path_of(video, found))
            self.assertEqual(ucf101.near_name(video, found), near)

    def test_folder_without_videos_is_refused(self):
        with self.assertRaisesRegex(UserError, "no v_.*avi files in"):
            ucf101.find_videos(self.folder / "nowhere")


if __name__ == "__main__":
    tf.test.main()
