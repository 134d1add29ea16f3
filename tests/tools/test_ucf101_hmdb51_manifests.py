"""Official splits and a folder of videos become manifests that spl_tf.shard reads."""

import os
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.manifest import Video, read_manifest
from spl_tf.labels.classes import read_classes
from tests.commands import last_line, run_command
from tests.written import csv_rows
from tools.ucf101_hmdb51 import manifests

# Optional local data: UCF101's official lists.
_UCF101_LISTS = pathlib.Path(__file__).parents[2].parent / "shared/data/ucf101_splits"


class ManifestsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.output = self.folder / "out/split"
        self.write("ucf/classInd.txt", "1 Archery\n2 HandstandPushups\n")
        self.write("ucf/trainlist02.txt", "HandstandPushups/v_HandStandPushups_g08_c01.avi 2\n")
        self.write("ucf/testlist02.txt", "Archery/v_Archery_g07_c12.avi\nArchery/v_Archery_g07_c13.avi\n")
        self.write("ucf/trainlist03.txt", "")
        self.write("ucf/testlist03.txt", "Archery/v_Archery_g07_c12.avi\n")
        self.write("hmdb/walk_test_split3.txt", "b.avi 2 \nc[1], d.avi 1 \n#e.avi 0 \n")
        self.write("hmdb/wave_test_split3.txt", "b.avi 1 \n")

    def write(self, name, text="video"):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def execute(self, *arguments, **paths):
        """Runs the command: exit code, stdout, last line of stderr."""
        argv = [f"--{name}={self.folder / path}" for name, path in paths.items()]
        code, out, err = run_command(manifests, f"--output_dir={self.output}", *argv, *arguments)
        return code, out, last_line(err)

    def videos_of(self, name):
        """(video_id, file, class id) as spl_tf.shard reads them."""
        videos = read_manifest(self.output / name, read_classes(self.output / "classes.txt"), "label")
        self.assertTrue(all(isinstance(video, Video) for video in videos), videos)
        return [(video.video_id, pathlib.Path(video.path).resolve(), video.labels) for video in videos]

    def test_ucf101_takes_the_class_from_the_list_and_not_from_the_file_name(self):
        nested = "videos/HandstandPushups/v_HandStandPushups_g08_c01.avi"
        self.write(nested)
        self.write("videos/v_Archery_g07_c12.avi")
        code, out, _ = self.execute("--dataset=ucf101", "--split=2", videos="videos", splits="ucf")
        self.assertEqual(code, 0)
        self.assertEqual(read_classes(self.output / "classes.txt"), ("Archery", "HandstandPushups"))
        self.assertEqual(
            self.videos_of("train.csv"), [("v_HandStandPushups_g08_c01", (self.folder / nested).resolve(), (1,))]
        )
        self.assertEqual(
            self.videos_of("test.csv"),
            [("v_Archery_g07_c12", (self.folder / "videos/v_Archery_g07_c12.avi").resolve(), (0,))],
        )
        self.assertEqual(
            csv_rows(self.output / "missing.csv"),
            [
                {
                    **{"list": "test", "file_name": "v_Archery_g07_c13.avi", "label": "Archery"},
                    **{"reason": "not there", "near": ""},
                }
            ],
        )
        self.assertIn("test.csv: 1 of 2 videos, 2 classes", out)
        self.assertIn("the test list of split 2 has 2 videos, published are 3,734", out)
        self.assertIn("1 videos are not there or cannot be listed: see", out)

    def test_hmdb51_keeps_equal_names_of_two_classes_apart(self):
        for name in ("walk/b.avi", "walk/c[1], d.avi", "walk/#e.avi", "wave/b.avi"):
            self.write(f"videos/{name}")
        code, out, _ = self.execute("--dataset=hmdb51", "--split=3", videos="videos", splits="hmdb")
        self.assertEqual(code, 0)
        videos = (self.folder / "videos").resolve()
        self.assertEqual(
            self.videos_of("train.csv"),
            [("walk/c[1], d", videos / "walk/c[1], d.avi", (0,)), ("wave/b", videos / "wave/b.avi", (1,))],
        )
        self.assertEqual(self.videos_of("test.csv"), [("walk/b", videos / "walk/b.avi", (0,))])
        self.assertEmpty(csv_rows(self.output / "missing.csv"))
        self.assertNotIn("not there", out)

    def test_other_spellings_are_found_and_counted(self):
        self.write("videos/HandstandPushups/v_HandstandPushups_g08_c01.mp4")
        self.write("videos/v_Archery_g07_c12.avi")
        self.write("videos/v_Archeri_g07_c13.avi")
        _, out, _ = self.execute("--dataset=ucf101", "--split=2", videos="videos", splits="ucf")
        self.assertLen(self.videos_of("train.csv") + self.videos_of("test.csv"), 2)
        self.assertIn("1 videos have another suffix or spelling than in the lists", out)
        self.assertIn("1 videos are not there or cannot be listed, 1 with a file of a near name: see", out)
        self.assertEqual(csv_rows(self.output / "missing.csv")[0]["near"], "v_Archeri_g07_c13.avi")

    def test_a_name_that_is_not_utf8_is_missing_with_its_reason(self):
        name = os.fsdecode(b"K\xfcr.avi")
        (self.folder / "hmdb/wave_test_split3.txt").write_bytes(b"b.avi 1\nK\xfcr.avi 1 \n")
        for path in ("walk/b.avi", "walk/c[1], d.avi", "wave/b.avi", f"wave/{name}"):
            self.write(f"videos/{path}")
        code, _, _ = self.execute("--dataset=hmdb51", "--split=3", videos="videos", splits="hmdb")
        self.assertEqual(code, 0)
        self.assertLen(self.videos_of("train.csv"), 2)
        (row,) = csv_rows(self.output / "missing.csv")
        self.assertEqual(
            list(row.values()),
            ["train", "K\\udcfcr.avi", "wave", "file name is not UTF-8 (rename it)", "K\\udcfcr.avi"],
        )

    @parameterized.parameters((1, 9537, 3783), (2, 9586, 3734), (3, 9624, 3696))
    def test_official_ucf101_split_is_listed_in_full(self, number, num_train, num_test):
        if not _UCF101_LISTS.exists():
            self.skipTest(f"no UCF101 lists in {_UCF101_LISTS}")
        self.write("videos/HandstandPushups/v_HandStandPushups_g01_c01.avi")
        _, out, _ = self.execute("--dataset=ucf101", f"--split={number}", videos="videos", splits=_UCF101_LISTS)
        present = csv_rows(self.output / "train.csv") + csv_rows(self.output / "test.csv")
        self.assertEqual(
            [(row["video_id"], row["label"]) for row in present], [("v_HandStandPushups_g01_c01", "HandstandPushups")]
        )
        self.assertLen(read_classes(self.output / "classes.txt"), 101)
        listed = [row["list"] for row in csv_rows(self.output / "missing.csv")]
        self.assertLen(listed, num_train + num_test - 1)
        self.assertIn(f" of {num_train:,} videos, 101 classes", out)
        self.assertIn(f" of {num_test:,} videos, 101 classes", out)
        self.assertNotIn("published are", out)

    def test_folder_whose_name_is_not_utf8_is_named(self):
        place = os.fsencode(self.folder / "videos") + b"/\xff"
        os.makedirs(place)
        with open(place + b"/v_Archery_g07_c12.avi", "wb"):
            pass
        code, _, err = self.execute("--dataset=ucf101", "--split=2", videos="videos", splits="ucf")
        self.assertEqual(code, 2)
        self.assertIn("videos/\\udcff/v_Archery_g07_c12.avi is in a folder whose name is not UTF-8", err)

    def test_paths_hold_through_linked_folders(self):
        self.write("deep/videos/v_Archery_g07_c12.avi")
        (self.folder / "deep/er/still").mkdir(parents=True)
        (self.folder / "out").symlink_to(self.folder / "deep/er")
        self.execute("--dataset=ucf101", "--split=2", videos="out/../videos", splits="ucf")
        self.assertLen(self.videos_of("test.csv"), 1)

    @parameterized.parameters(
        (["--dataset=kinetics"], {}, "kinetics"),
        (["--dataset=ucf101", "--split=4"], {}, "split"),
        (["--dataset=ucf101"], {"splits": "ucf"}, "--videos missing"),
        (["--dataset=ucf101"], {"splits": "ucf", "videos": "ucf"}, "trainlist01.txt does not exist"),
        (["--dataset=ucf101", "--split=2"], {"splits": "ucf", "videos": "ucf"}, "no v_.*avi files in"),
        (
            ["--dataset=hmdb51", "--split=3"],
            {"splits": "hmdb", "videos": "nowhere"},
            "nowhere is no folder: check --videos",
        ),
        (
            ["--dataset=ucf101"],
            {"splits": "ucf/classInd.txt", "videos": "ucf"},
            "classInd.txt is no folder: check --spl",
        ),
        (["--dataset=hmdb51", "--split=3"], {"splits": "hmdb", "videos": "ucf"}, "no .avi files in .*ucf"),
        (["--dataset=ucf101", "--split=3"], {"splits": "ucf", "videos": "ucf"}, "a list of split 3 in .*ucf is empty"),
        (["--dataset=hmdb51"], {"splits": "ucf", "videos": "ucf"}, "no <class>_test_split1.txt files in"),
    )
    def test_mistake_is_one_line(self, arguments, paths, message):
        code, _, err = self.execute(*arguments, **paths)
        self.assertEqual(code, 2)
        self.assertRegex(err, message)
        self.assertFalse(self.output.exists())


if __name__ == "__main__":
    tf.test.main()
