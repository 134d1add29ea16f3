"""A data set in Clothing1M's layout becomes manifests; every fault of its lists gets a reason."""

import pathlib
import shutil

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building.shards import write_shards
from spl_tf.data.manifest import Video, read_manifest
from spl_tf.labels.classes import read_classes
from tests.commands import last_line, run_command
from tests.written import csv_rows
from tools.clothing1m import manifest

# Optional local data: photographs in the same layout.
_CLOTHING = pathlib.Path(__file__).parents[2].parent / "shared/data/clothing_small"

_CLASSES = ("T-Shirt", "Down Coat", "Dress")


class Clothing1MTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.data, self.output = self.folder / "set", self.folder / "lists" / "of it"
        self.write("category_names_eng.txt", "".join(f"{name}\n" for name in _CLASSES))
        self.keys = {"train": "images/0/t.jpg", "val": "images/1/v.jpg", "test": "images/2/e.jpg"}
        for name, key in self.keys.items():
            self.write(f"clean_{name}_key_list.txt", f"{key}\n")
        self.write("clean_label_kv.txt", "images/0/t.jpg 0\nimages/1/v.jpg 1\nimages/2/e.jpg 2\n")
        self.write("noisy_train_key_list.txt", "images/3/n.jpg\nimages/3/m,m.jpg\n")
        self.write("noisy_label_kv.txt", "images/3/n.jpg 1\nimages/3/m,m.jpg 0\n")
        for shade, key in enumerate((*self.keys.values(), "images/3/n.jpg", "images/3/m,m.jpg")):
            self.draw(key, shade)

    def write(self, name, content):
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def append(self, name, content):
        self.write(name, (self.data / name).read_text() + content)

    def draw(self, key, shade=0):
        path = self.data / key
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((20, 24, 3), 40 * shade, np.uint8))

    def execute(self, *arguments, data=None):
        """Runs the command: exit code, stdout, last line of stderr."""
        paths = (f"--data={data or self.data}", f"--output_dir={self.output}")
        code, out, err = run_command(manifest, *paths, *arguments)
        return code, out, last_line(err)

    def rows(self, name, *columns):
        return [tuple(row[column] for column in columns) for row in csv_rows(self.output / name)]

    def rejected(self):
        return self.rows("rejected.csv", "key", "list", "reason")

    def assert_rejected(self, key, list_name, reason):
        """The key of a list has no row, and this reason; all others have a row each."""
        code, _, _ = self.execute()
        self.assertEqual(code, 0)
        self.assertEqual(self.rejected(), [(key, list_name, reason)])

    def test_writes_classes_and_a_manifest_for_each_list(self):
        code, out, _ = self.execute()
        self.assertEqual(code, 0)
        self.assertEqual(read_classes(self.output / "classes.txt"), _CLASSES)
        way = "../../set/images"
        self.assertEqual(
            self.rows("target_train.csv", "video_id", "path", "label"),
            [("images/0/t.jpg", f"{way}/0/t.jpg", "T-Shirt")],
        )
        self.assertEqual(self.rows("validation.csv", "path", "label"), [(f"{way}/1/v.jpg", "Down Coat")])
        self.assertEqual(self.rows("test.csv", "path", "label"), [(f"{way}/2/e.jpg", "Dress")])
        self.assertEqual(
            self.rows("web.csv", "video_id", "path", "query"),
            [
                ("images/3/n.jpg", f"{way}/3/n.jpg", "Down Coat"),
                ("images/3/m,m.jpg", f"{way}/3/m,m.jpg", "T-Shirt"),
            ],
        )
        self.assertEqual(self.rejected(), [])
        self.assertFalse((self.output / "both_labels.csv").exists())
        self.assertIn("web.csv: 2 of 2 keys", out)
        self.assertNotIn("no row", out)

    @parameterized.parameters("images/3/N.JPG", "images/3/n.png")
    def test_a_missing_image_with_a_near_name_beside_it_says_so(self, near):
        (self.data / "images/3/n.jpg").rename(self.data / near)
        self.assert_rejected(
            "images/3/n.jpg", "noisy_train_key_list.txt", f"missing image (there is {pathlib.Path(near).name})"
        )

    def test_shards_are_cut_from_the_manifests_and_names_shared_by_folders_hold_nothing_out(self):
        self.draw("images/4/e.jpg", 5)  # Called like the test image, in another folder.
        self.write("images/4/damaged.jpg", (self.data / "images/4/e.jpg").read_bytes()[:-2])
        self.append("noisy_train_key_list.txt", "images/4/e.jpg\nimages/4/damaged.jpg\n")
        self.append("noisy_label_kv.txt", "images/4/e.jpg 2\nimages/4/damaged.jpg 1\n")
        self.execute()
        dataset = write_shards(
            self.output / "web.csv",
            self.folder / "shards",
            classes=read_classes(self.output / "classes.txt"),
            label_column="query",
            clip_seconds=0,
            fps=25,
            short_side=16,
            exclude=[self.output / "test.csv"],
            workers=1,
        )
        self.assertEqual((dataset.num_clips, dataset.rejected), (3, {"damaged image": 1}))
        self.assertEqual(dataset.clips_per_class, {"T-Shirt": 1, "Down Coat": 1, "Dress": 1})

    @parameterized.parameters(b"\r\n", b"\n\n", b"  \n", b"\t\n \r\n")
    def test_line_ends_blank_lines_and_a_byte_order_mark_change_nothing(self, line_end):
        self.execute()
        before = {path.name: path.read_bytes() for path in self.output.iterdir()}
        shutil.rmtree(self.output)
        for path in self.data.glob("*.txt"):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", line_end))
        self.assertEqual(self.execute()[0], 0)
        self.assertEqual({path.name: path.read_bytes() for path in self.output.iterdir()}, before)

    def test_the_text_files_may_lie_in_a_folder_of_their_own(self):
        (self.data / "annotations").mkdir()
        for path in self.data.glob("*.txt"):
            path.rename(self.data / "annotations" / path.name)
        self.assertEqual(self.execute()[0], 0)
        self.assertLen(self.rows("web.csv", "path"), 2)

    @parameterized.product(blank=(" ", "\t"), key=("images/my 3/a red  dress 7.jpg", "images/3/a\tred dress.jpg"))
    def test_keys_may_have_blanks_in_them(self, blank, key):
        self.draw(key)
        self.append("noisy_train_key_list.txt", f"{key}\n")
        self.append("noisy_label_kv.txt", f"{key}{blank}2\n")
        self.execute()
        self.assertEqual(self.rows("web.csv", "video_id", "query")[-1], (key, "Dress"))
        last = read_manifest(self.output / "web.csv", _CLASSES, "query")[-1]
        self.assertIsInstance(last, Video)

    def test_two_spellings_of_a_path_are_one_key(self):
        self.write("noisy_label_kv.txt", "./images//3/n.jpg 1\nimages/3/m,m.jpg 0\n")
        self.execute()
        self.assertEqual(self.rows("web.csv", "video_id")[0], ("images/3/n.jpg",))

    @parameterized.parameters(
        ("", "no label"),
        ("images/3/x.jpg\n", "no label"),
        ("images/3/x.jpg 1 2\n", "line of 3 columns"),
        ("images/3/x.jpg\t1\t0.5 2\n", "line of 4 columns"),
        ("images/3/x.jpg one\n", "label is no class id ('one')"),
        ("images/3/x.jpg 1.0\n", "label is no class id ('1.0')"),
        ("images/3/x.jpg 3\n", "label out of range (3 of 3 classes)"),
        ("images/3/x.jpg -1\n", "label out of range (-1 of 3 classes)"),
        ("images/3/x.jpg 1\nimages/3/x.jpg 2\nimages/3/x.jpg 2\n", "contradictory labels (1 and 2)"),
    )
    def test_a_key_without_one_usable_label_is_rejected(self, lines, reason):
        self.draw("images/3/x.jpg")
        self.append("noisy_train_key_list.txt", "images/3/x.jpg\n")
        self.append("noisy_label_kv.txt", lines)
        self.assert_rejected("images/3/x.jpg", "noisy_train_key_list.txt", reason)

    def test_a_label_given_twice_alike_is_one_label(self):
        self.append("noisy_label_kv.txt", "images/3/n.jpg 1\n")
        self.execute()
        self.assertEqual(self.rejected(), [])

    def test_a_name_that_is_not_utf_8_is_rejected(self):
        self.write("noisy_train_key_list.txt", b"images/3/n.jpg\nimages/3/m,m.jpg\nimages/3/caf\xe9.jpg\n")
        self.assert_rejected("images/3/caf\\udce9.jpg", "noisy_train_key_list.txt", "unusable file name")

    @parameterized.parameters(True, False)
    def test_clean_training_images_with_a_noisy_label_are_listed_with_both(self, is_listed):
        self.append("noisy_label_kv.txt", "images/0/t.jpg 1\n")
        if is_listed:
            self.append("noisy_train_key_list.txt", "images/0/t.jpg\n")
        _, out, _ = self.execute()
        self.assertEqual(
            self.rows("both_labels.csv", "video_id", "label", "query"), [("images/0/t.jpg", "T-Shirt", "Down Coat")]
        )
        self.assertEqual(("images/0/t.jpg",) in self.rows("web.csv", "video_id"), is_listed)
        self.assertLen(self.rows("target_train.csv", "path"), 1)
        self.assertIn("both_labels.csv: 1 images with a clean and a noisy label", out)

    def test_a_list_of_both_labels_of_an_earlier_run_goes_when_there_are_none(self):
        self.append("noisy_label_kv.txt", "images/0/t.jpg 1\n")
        self.execute()
        self.write("noisy_label_kv.txt", "images/3/n.jpg 1\nimages/3/m,m.jpg 0\n")
        self.execute()
        self.assertFalse((self.output / "both_labels.csv").exists())

    def test_the_summary_counts_by_list_and_reason_and_labels_without_a_list(self):
        self.append("noisy_train_key_list.txt", "images/7/a.jpg\nimages/7/b.jpg\nimages/3/n.jpg\n")
        self.append("noisy_label_kv.txt", "images/7/a.jpg 1\nimages/7/b.jpg 2\nimages/8/c.jpg 2\nimages/0/t.jpg 0\n")
        _, out, _ = self.execute()
        self.assertIn("web.csv: 2 of 5 keys (missing image 2, repeated key 1)", out)
        self.assertIn("3 keys gave no row: see rejected.csv", out)
        self.assertIn("1 labels of noisy_label_kv.txt have no list", out)

    def test_verifying_rejects_the_images_that_would_give_no_record(self):
        reasons = {
            "n.jpg": "damaged image (cut off)",
            "page.jpg": "cannot be decoded as an image",
            "line.png": "unusable size (5000x1)",
            "line.jpg": "unusable size (2x60000)",
        }
        noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
        self.write("images/3/n.jpg", cv2.imencode(".jpg", noise)[1].tobytes()[:-20])
        self.write("images/3/page.jpg", b"<html>not found</html>")
        cv2.imwrite(str(self.data / "images/3/line.png"), np.zeros((1, 5000, 3), np.uint8))
        cv2.imwrite(str(self.data / "images/3/line.jpg"), np.zeros((60000, 2, 3), np.uint8))
        for name in list(reasons)[1:]:
            self.append("noisy_train_key_list.txt", f"images/3/{name}\n")
            self.append("noisy_label_kv.txt", f"images/3/{name} 2\n")
        self.execute()
        self.assertEqual(self.rejected(), [])
        _, out, _ = self.execute("--verify", "--workers=1")
        self.assertCountEqual(
            self.rejected(),
            [(f"images/3/{name}", "noisy_train_key_list.txt", reason) for name, reason in reasons.items()],
        )
        self.assertEqual(self.rows("web.csv", "video_id"), [("images/3/m,m.jpg",)])
        self.assertIn("web.csv: 1 of 5 keys (unusable size 2, damaged image 1, cannot", out)

    def test_a_real_set_keeps_every_image(self):
        if not _CLOTHING.is_dir():
            self.skipTest(f"{_CLOTHING} is not there")
        code, _, _ = self.execute(data=_CLOTHING)
        self.assertEqual(code, 0)
        self.assertLen(read_classes(self.output / "classes.txt"), 10)
        counts = [
            len(csv_rows(self.output / name)) for name in ("target_train.csv", "validation.csv", "test.csv", "web.csv")
        ]
        self.assertEqual(counts, [368, 341, 372, 2700])
        self.assertEqual(self.rejected(), [])
        # The folder an image lies in is its true class: 64 % of the noisy labels are right.
        right = [row["query"] == row["video_id"].split("/")[1] for row in csv_rows(self.output / "web.csv")]
        self.assertAllClose(np.mean(right), 0.64, atol=0.01)


if __name__ == "__main__":
    tf.test.main()
