"""yt-dlp's .info.json files and CSV files are read, damaged ones too."""

import json
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from tools.collect import results

_INFO = {
    "id": "a",
    "title": "Title",
    "duration": 61.5,
    "webpage_url": "https://www.youtube.com/watch?v=a",
    "extractor_key": "Youtube",
    "playlist": "yoga",
    "playlist_id": "yoga",
    "playlist_title": "yoga",
    "playlist_index": 3,
    "_type": "video",
}


class ResultsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def read_info(self, content):
        """The only result of a folder with one .info.json file."""
        content = content if isinstance(content, bytes) else content.encode()
        (self.folder / "a.info.json").write_bytes(content)
        return results.read([self.folder])

    def test_fields_of_a_search_result(self):
        (self.folder / "a.webm").touch()
        expected = results.Result(
            source=f"{self.folder}/a.info.json",
            video_id="a",
            text="yoga",
            rank=3,
            seconds=61.5,
            address="https://www.youtube.com/watch?v=a",
            title="Title",
            site="Youtube",
            path=f"{self.folder}/a.webm",
        )
        self.assertEqual(self.read_info(json.dumps(_INFO)), [expected])

    def test_file_of_the_search_itself_is_no_result(self):
        self.assertEqual(self.read_info(json.dumps({**_INFO, "_type": "playlist"})), [])

    @parameterized.named_parameters(
        ("empty", b""),
        ("cut", json.dumps(_INFO)[:70]),
        ("list", "[1]"),
        ("deep", "[" * 100_000),
        ("long_number", '{"id": "x", "duration": ' + "9" * 5000 + "}"),
        ("bytes", b'{"id": "\xff\xfe"}'),
        ("binary", bytes(range(256))),
    )
    def test_damaged_json_is_a_fault(self, content):
        (result,) = self.read_info(content)
        self.assertStartsWith(result.fault, "damaged JSON (")
        self.assertNotIn("\n", result.fault)

    @parameterized.parameters(
        ({"playlist": None, "playlist_id": None, "playlist_title": None}, "not found by a search (no playlist field)"),
        ({"id": None}, "no usable video_id"),
        ({"id": ["a"]}, "no usable video_id"),
        ({"playlist_index": "first"}, "unusable rank ('first')"),
        ({"playlist_index": 1.5}, "unusable rank ('1.5')"),
        ({"playlist_index": -1}, "unusable rank ('-1')"),
        ({"playlist_index": float("inf")}, "unusable rank ('inf')"),
    )
    def test_unusable_field_is_a_fault(self, fields, fault):
        (result,) = self.read_info(json.dumps({**_INFO, **fields}))
        self.assertEqual(result.fault, fault)

    @parameterized.parameters(None, "live", float("nan"), float("inf"), -1)
    def test_length_that_is_none_is_unknown(self, duration):
        (result,) = self.read_info(json.dumps({**_INFO, "duration": duration}))
        self.assertEqual((result.fault, result.seconds), ("", None))

    @parameterized.parameters(".mp4.part", ".f137.mp4", ".temp.mp4", ".m4a", ".jpg")
    def test_unfinished_and_other_files_are_no_videos(self, suffix):
        (self.folder / f"a{suffix}").touch()
        (result,) = self.read_info(json.dumps(_INFO))
        self.assertEqual(result.path, "")

    def test_mp4_is_taken_before_webm(self):
        for suffix in (".webm", ".mp4", ".avi"):
            (self.folder / f"a{suffix}").touch()
        self.assertEqual(results.videos_by_stem(self.folder), {"a": f"{self.folder}/a.mp4"})

    def test_a_title_with_the_id_in_brackets_is_found_by_the_id(self):
        for name in (
            "A [live] title [abc-_def123].webm",
            "v/A title [abc-_def123].mp4",
            "[x].mp4",
            "plain.mp4",
            "x.mkv",
        ):
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).touch()
        found = results.videos_by_stem(self.folder)
        self.assertEqual(found["abc-_def123"], f"{self.folder}/A [live] title [abc-_def123].webm")
        self.assertEqual((found["x"], found["plain"]), (f"{self.folder}/x.mkv", f"{self.folder}/plain.mp4"))
        self.assertNotIn("live", found)

    def test_a_side_car_whose_name_was_cut_off_has_the_video_with_its_id(self):
        video = self.folder / f"{'w' * 200} [abcdefghij1].mp4"
        video.touch()
        (self.folder / "Another [abcdefghij2].mp4").touch()
        (self.folder / f"{'w' * 180}.info.json").write_text(json.dumps({**_INFO, "id": "abcdefghij1"}))
        (result,) = results.read([self.folder])
        self.assertEqual((result.path, result.fault), (str(video), ""))

    @parameterized.parameters(
        ("https://www.youtube.com/watch?list=x&v=ID", "ID"),
        ("watch?v=ID", "ID"),
        ("https://youtu.be/ID?t=3", "ID"),
        ("https://www.youtube.com/shorts/ID/", "ID"),
        ("https://vimeo.com/123", "123"),
        ("", "file"),
        ("http://[broken", "file"),
    )
    def test_id_is_taken_from_the_address_or_the_path(self, address, video_id):
        table = self.folder / "r.csv"
        table.write_text(f"text,address,path\nyoga,{address},v/file.mp4\n")
        (result,) = results.read([table])
        self.assertEqual((result.video_id, result.fault), (video_id, ""))


if __name__ == "__main__":
    tf.test.main()
