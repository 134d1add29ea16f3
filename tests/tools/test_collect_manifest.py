"""Search results, as yt-dlp's .info.json files, become a manifest that spl_tf.shard reads."""

import csv
import os

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.manifest import Video, read_manifest
from spl_tf.labels.classes import read_classes
from tests.tools.collect_manifest_case import ManifestCase
from tests.written import csv_rows


class ManifestTest(ManifestCase):
    def test_files_named_as_yt_dlp_names_them_are_not_put_on_the_download_list_again(self):
        self.info("a", "abcdefghij0", "yoga", 1, suffix="")
        self.info("a", "abcdefghij1", "yoga", 2, suffix="")
        (self.found / "a/abcdefghij1.info.json").rename(self.found / f"a/{'w' * 180}.info.json")
        self.write(f"found/a/{'w' * 200} [abcdefghij1].mp4", "video")
        self.write("videos/A title [abcdefghij0].mp4", "video")
        self.execute(f"--videos={self.folder}/videos")
        self.assertEqual([row["video_id"] for row in csv_rows(self.folder / "web.csv")], ["abcdefghij0", "abcdefghij1"])
        self.assertEqual((self.folder / "web.addresses.txt").read_text(), "")

    def test_info_json_becomes_a_row_of_its_class(self):
        self.info("p", "abc-_123", "jouer du piano", 7, suffix=".webm", title="Piano\nà deux")
        self.assertEqual(self.execute()[0], 0)
        expected = {
            "video_id": "abc-_123",
            "path": "found/p/abc-_123.webm",
            "query": "PlayingPiano",
            "language": "fr",
            "rank": "7",
            "address": "https://www.youtube.com/watch?v=abc-_123",
            "text": "jouer du piano",
            "title": "Piano à deux",
            "duration": "61",
        }
        self.assertEqual(csv_rows(self.folder / "web.csv"), [expected])

    def test_shard_reads_the_manifest(self):
        self.info("p", "a", "playing piano", 1)
        self.info("y", "b", "yoga", 1)
        self.write("classes.txt", "Yoga\nPlayingPiano\n")
        self.execute()
        videos = read_manifest(self.folder / "web.csv", read_classes(self.folder / "classes.txt"), "query")
        self.assertTrue(all(isinstance(video, Video) for video in videos))
        self.assertEqual(
            [(v.video_id, v.labels, v.queries) for v in videos],
            [("a", (1,), ("PlayingPiano",)), ("b", (0,), ("Yoga",))],
        )

    def test_rows_go_by_class_search_and_rank(self):
        for folder, video_id, searched, rank in (
            ("1", "a", "yoga", 2),
            ("1", "b", "yoga", 1),
            ("2", "c", "jouer du piano", 1),
            ("3", "d", "playing piano", 10),
            ("3", "e", "playing piano", 9),
        ):
            self.info(folder, video_id, searched, rank)
        self.execute()
        self.assertEqual(self.rows("video_id"), [("e",), ("d",), ("c",), ("b",), ("a",)])

    def test_upload_found_by_several_searches_has_a_row_each_and_one_file(self):
        self.info("1", "a", "yoga", 3)
        self.info("2", "a", "playing piano", 5, suffix="")
        self.info("3", "a", "jouer du piano", 2, suffix="")
        code, out, _ = self.execute()
        self.assertEqual(code, 0)
        self.assertIn("3 rows, 1 uploads", out)
        self.assertEqual(
            self.rows("video_id", "path", "query", "language", "rank"),
            [
                ("a", "found/1/a.mp4", "PlayingPiano", "en", "5"),
                ("a", "found/1/a.mp4", "PlayingPiano", "fr", "2"),
                ("a", "found/1/a.mp4", "Yoga", "en|fr", "3"),
            ],
        )

    def test_search_made_twice_keeps_the_better_rank(self):
        self.info("1", "a", "yoga", 3)
        self.info("2", "a", "YOGA ", 1)
        self.info("3", "a", "yoga", 2)
        self.execute()
        self.assertEqual(self.rows("rank", "path"), [("1", "found/1/a.mp4")])
        refused = csv_rows(self.folder / "web.rejected.csv")
        self.assertEqual(sorted(row["rank"] for row in refused), ["2", "3"])
        self.assertTrue(all(row["reason"].startswith("repeated result (see ") for row in refused))

    def test_text_of_two_classes_gives_a_row_for_each(self):
        self.write("queries.csv", "query,language,text\nrunning,es,correr\njogging,es,correr\n")
        self.info("1", "a", "correr", 1)
        self.execute()
        self.assertEqual(self.rows("video_id", "query"), [("a", "running"), ("a", "jogging")])

    def test_videos_may_lie_in_a_folder_of_their_own(self):
        self.info("1", "a", "yoga", 1, suffix="")
        self.info("1", "b", "yoga", 2, suffix="")
        self.write("videos/0/a.MKV", "video")
        _, out, _ = self.execute(f"--videos={self.folder}/videos")
        self.assertEqual(self.rows("video_id", "path"), [("a", "videos/0/a.MKV")])
        self.assertEqual(self.reasons(), {"b": "not downloaded"})
        self.assertEqual((self.folder / "web.addresses.txt").read_text(), "https://www.youtube.com/watch?v=b\n")
        self.assertIn("1 uploads to download", out)

    def test_what_is_no_use_is_set_aside_and_counted(self):
        self.info("1", "good", "yoga", 1)
        self.info("2", "stranger", "cats", 1)
        self.write("found/2/empty.info.json", "")
        self.write("found/2/cut.info.json", '{"id": "x", "title": "y')
        code, out, _ = self.execute()
        self.assertEqual(code, 0)
        self.assertEqual(self.rows("video_id"), [("good",)])
        reasons = self.reasons()
        self.assertEqual(reasons["stranger"], "unknown search text ('cats')")
        self.assertStartsWith(reasons[f"{self.found}/2/cut.info.json"], "damaged JSON (")
        self.assertIn("rejected 3 (damaged JSON 2, unknown search text 1): see web.rejected.csv", out)

    def test_half_a_character_in_a_title_is_spelled_out(self):
        self.info("1", "a", "yoga", 1, title="\ud83d yoga")
        self.assertEqual(self.execute()[0], 0)
        self.assertEqual(self.rows("title"), [("\\ud83d yoga",)])

    def test_file_name_that_is_not_utf8_is_set_aside(self):
        self.info("1", "a", "yoga", 1, suffix="")
        os.rename(self.found / "1/a.info.json", os.fsencode(self.found / "1") + b"/\xff.info.json")
        with open(os.fsencode(self.found / "1") + b"/\xff.mp4", "wb"):
            pass
        self.assertEqual(self.execute()[0], 0)
        self.assertEqual(self.reasons(), {"a": "unusable file name"})

    def test_one_id_on_two_sites_is_not_one_upload(self):
        self.info("1", "77", "yoga", 1)
        self.info("2", "77", "yoga", 1, extractor_key="Vimeo")
        self.execute()
        self.assertEqual(self.rows("video_id", "path"), [("77", "found/1/77.mp4")])
        self.assertEqual(self.reasons(), {"77": "same video_id on another site (Youtube and Vimeo)"})

    def test_limits_on_rank_and_length(self):
        for rank, (video_id, seconds) in enumerate((("a", 9.5), ("b", 10), ("c", 600), ("d", 601), ("e", None)), 1):
            self.info("1", video_id, "yoga", rank, duration=seconds)
        self.info("1", "f", "yoga", 6, suffix="")
        self.execute("--max_rank=5", "--min_seconds=10", "--max_seconds=600")
        self.assertEqual(self.rows("video_id", "duration"), [("b", "10"), ("c", "600"), ("e", "")])
        self.assertEqual(
            self.reasons(),
            {"a": "shorter than --min_seconds", "d": "longer than --max_seconds", "f": "ranked below --max_rank"},
        )
        self.assertEqual((self.folder / "web.addresses.txt").read_text(), "")

    def test_paths_hold_through_a_linked_folder(self):
        self.info("1", "a", "yoga", 1)
        (self.folder / "deep/er").mkdir(parents=True)
        (self.folder / "link").symlink_to(self.folder / "deep/er")
        self.execute(f"--output={self.folder}/link/web.csv")
        with open(self.folder / "link/web.csv") as opened:
            listed = next(csv.DictReader(opened))["path"]
        self.assertTrue((self.folder / "link" / listed).is_file())

    @parameterized.parameters(
        ({"results": ["nowhere"]}, "nowhere is no file: check --results"),
        ({"results": ["empty"]}, "empty has no .info.json file"),
        ({"results": ["r.csv"]}, "r.csv has no column 'text' \\(or 'query'\\)"),
        ({"results": ["web.csv"]}, "web.csv would be read and written over"),
        ({"results": []}, "--results missing"),
    )
    def test_mistake_is_one_line(self, arguments, message):
        (self.folder / "empty").mkdir()
        self.write("r.csv", "search,rank\nyoga,1\n")
        code, _, err = self.execute(**arguments)
        self.assertEqual(code, 2)
        self.assertRegex(err, message)
        self.assertFalse((self.folder / "web.csv").exists())


if __name__ == "__main__":
    tf.test.main()
