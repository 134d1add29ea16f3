"""Which lines of Clothing1M's lists are kept: keys, images, and sets that overlap."""

import pathlib
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from tools.clothing1m import checks, image_files
from tools.clothing1m.layout import CLEAN_TEST, CLEAN_TRAIN, CLEAN_VALIDATION, LISTS, NOISY_TRAIN, Layout


class ChecksTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path, "set")
        self.folder.mkdir()

    def write(self, key, content=b"image"):
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def select(self, lists, without_label=()):
        """Of lists of keys, all with the clean label 0 and the noisy label 1 unless said otherwise."""
        keys = [key for name in lists for key in lists[name]]
        layout = Layout(
            classes=("a", "b"),
            clean_labels={key: 0 for key in keys if key not in without_label},
            noisy_labels=dict.fromkeys(keys, 1),
            keys={name: lists.get(name, []) for name in LISTS},
            paths={},
        )
        selection = checks.select(layout, image_files.ImageFiles(str(self.folder)))
        return selection, [(row.key, row.list_name, row.reason) for row in selection.rejected]

    @parameterized.parameters("../other/x.jpg", "../x.jpg", "/x.jpg", "//x.jpg", "..")
    def test_a_key_that_leaves_the_folder_is_rejected_though_there_is_an_image(self, key):
        self.write("../other/x.jpg")
        self.write("../x.jpg")
        _, rejected = self.select({NOISY_TRAIN: [key]})
        self.assertEqual(rejected, [(key, NOISY_TRAIN, "key leaves the folder")])

    def test_names_that_only_look_like_a_way_out_are_kept(self):
        for key in ("..a/x.jpg", "...jpg", "a/..x.jpg"):
            self.write(key)
        selection, _ = self.select({NOISY_TRAIN: ["..a/x.jpg", "...jpg", "a/..x.jpg"]})
        self.assertLen(selection.images[NOISY_TRAIN], 3)

    def test_links_are_followed(self):
        self.write("../elsewhere/x.jpg")
        (self.folder / "images").symlink_to(self.folder.parent / "elsewhere")
        (self.folder / "y.jpg").symlink_to(self.folder.parent / "elsewhere/x.jpg")
        (self.folder / "lost.jpg").symlink_to(self.folder.parent / "nowhere.jpg")
        selection, rejected = self.select({NOISY_TRAIN: ["images/x.jpg", "y.jpg", "lost.jpg"]})
        self.assertEqual(selection.images[NOISY_TRAIN], {"images/x.jpg": 1, "y.jpg": 1})
        self.assertEqual(rejected, [("lost.jpg", NOISY_TRAIN, "not a file")])

    @parameterized.parameters(
        ("images/9/x.jpg", "missing image"),
        ("images/3/x.jpg/y.jpg", "missing image"),
        (f"images/{300 * 'x'}/y.jpg", "missing image"),
        ("images/3/empty.jpg", "empty file"),
        ("images/3/folder.jpg", "not a file"),
        ("images/3/list.txt", "no suffix of an image (.txt)"),
        ("images/3/\0.jpg", "unusable file name"),
    )
    def test_a_key_without_an_image_is_rejected(self, key, reason):
        self.write("images/3/x.jpg")
        self.write("images/3/empty.jpg", b"")
        self.write("images/3/folder.jpg/y.jpg")
        self.write("images/3/list.txt")
        _, rejected = self.select({NOISY_TRAIN: [key, "images/3/x.jpg"]})
        self.assertEqual(rejected, [(key, NOISY_TRAIN, reason)])

    @parameterized.parameters("x.jpg/gone", "stray.jpg")  # Through a file, and to itself.
    def test_a_link_that_leads_nowhere_is_the_only_one_of_its_folder_without_an_image(self, target):
        self.write("images/0/x.jpg")
        (self.folder / "images/0/stray.jpg").symlink_to(target)
        selection, rejected = self.select({NOISY_TRAIN: ["images/0/x.jpg", "images/0/stray.jpg"]})
        self.assertEqual(selection.images[NOISY_TRAIN], {"images/0/x.jpg": 1})
        self.assertEqual(rejected, [("images/0/stray.jpg", NOISY_TRAIN, "not a file")])

    def test_a_key_listed_twice_is_one_row(self):
        self.write("x.jpg")
        selection, rejected = self.select({NOISY_TRAIN: ["x.jpg", "x.jpg"]})
        self.assertEqual(selection.images[NOISY_TRAIN], {"x.jpg": 1})
        self.assertEqual(rejected, [("x.jpg", NOISY_TRAIN, "repeated key")])

    @parameterized.parameters(
        ((CLEAN_TRAIN, CLEAN_VALIDATION), CLEAN_VALIDATION),
        ((CLEAN_TRAIN, CLEAN_TEST), CLEAN_TEST),
        ((CLEAN_VALIDATION, CLEAN_TEST), CLEAN_TEST),
        ((CLEAN_TRAIN, CLEAN_VALIDATION, CLEAN_TEST), CLEAN_TEST),
    )
    def test_a_key_in_several_clean_lists_stays_in_the_one_evaluated_last(self, names, stays):
        self.write("x.jpg")
        selection, rejected = self.select({name: ["x.jpg"] for name in names})
        self.assertEqual([name for name in LISTS if selection.images[name]], [stays])
        others = [name for name in names if name != stays]
        self.assertCountEqual(rejected, [("x.jpg", name, f"also in {stays}") for name in others])

    @parameterized.parameters(CLEAN_VALIDATION, CLEAN_TEST)
    def test_noisy_keys_of_clean_validation_and_test_are_held_out(self, name):
        self.write("x.jpg")
        selection, rejected = self.select({name: ["x.jpg"], NOISY_TRAIN: ["x.jpg"]})
        self.assertEqual(rejected, [("x.jpg", NOISY_TRAIN, f"held out (in {name})")])
        self.assertEqual(selection.both_labels({"x.jpg": 1}), {})

    def test_a_held_out_key_stays_so_when_it_cannot_be_evaluated(self):
        self.write("x.jpg")
        lists = {CLEAN_TEST: ["x.jpg"], CLEAN_TRAIN: ["x.jpg"], NOISY_TRAIN: ["x.jpg"]}
        selection, rejected = self.select(lists, without_label=["x.jpg"])
        self.assertFalse(any(selection.images.values()))
        reasons = {name: reason for _, name, reason in rejected}
        self.assertEqual(reasons[CLEAN_TEST], "no label")
        self.assertEqual(reasons[CLEAN_TRAIN], f"also in {CLEAN_TEST}")
        self.assertEqual(reasons[NOISY_TRAIN], f"held out (in {CLEAN_TEST})")

    def test_noisy_keys_of_clean_training_stay_in_both(self):
        self.write("x.jpg")
        selection, rejected = self.select({CLEAN_TRAIN: ["x.jpg"], NOISY_TRAIN: ["x.jpg"]})
        self.assertEqual(rejected, [])
        self.assertEqual(selection.images[CLEAN_TRAIN], {"x.jpg": 0})
        self.assertEqual(selection.images[NOISY_TRAIN], {"x.jpg": 1})
        self.assertEqual(selection.both_labels({"x.jpg": 1}), {"x.jpg": (0, 1)})
        self.assertEqual(selection.both_labels({"x.jpg": "no label"}), {})

    def test_every_line_is_kept_or_rejected_once(self):
        for number in range(6):
            self.write(f"{number}.jpg")
        lists = {
            CLEAN_TRAIN: ["0.jpg", "1.jpg", "2.jpg", "0.jpg", "lost.jpg"],
            CLEAN_VALIDATION: ["1.jpg", "3.jpg", "../x.jpg"],
            CLEAN_TEST: ["3.jpg", "4.jpg"],
            NOISY_TRAIN: ["5.jpg", "0.jpg", "4.jpg", "none.jpg", "5.jpg"],
        }
        selection, rejected = self.select(lists)
        for name, keys in lists.items():
            of_list = [key for key, list_name, _ in rejected if list_name == name]
            self.assertCountEqual([*selection.images[name], *of_list], keys)

    def test_each_folder_is_listed_once(self):
        keys = [f"images/{number % 3}/{number}.jpg" for number in range(30)]
        for key in keys:
            self.write(key)
        with mock.patch.object(image_files.os, "scandir", wraps=image_files.os.scandir) as scandir:
            selection, _ = self.select({NOISY_TRAIN: keys, CLEAN_TRAIN: keys})
        self.assertEqual(scandir.call_count, 3)
        self.assertLen(selection.images[NOISY_TRAIN], 30)


if __name__ == "__main__":
    tf.test.main()
