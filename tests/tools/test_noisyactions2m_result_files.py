"""Search results as Flickr and yt-dlp give them: each is a record, or has a place and a reason."""

import datetime
import itertools
import json
import math
import random

import tensorflow as tf
from absl.testing import parameterized

from tests.tools.noisyactions2m_results import ResultFilesCase
from tools.noisyactions2m import result_files
from tools.noisyactions2m.result_files import Options, Piece

# As flickr.photos.search answers with extras=description,license,date_upload,date_taken,owner_name,geo,tags,...
_PHOTO = {
    "id": "5807883939",
    "owner": "12037949754@N01",
    "secret": "149d2d3bf8",
    "title": "Dunk &amp; run",
    "description": {"_content": "A <b>dunk</b> &lt;3"},
    "license": "4",
    "dateupload": "1307449200",
    "datetaken": "2011-06-05 12:33:10",
    "datetakengranularity": "0",
    "datetakenunknown": "0",
    "ownername": "somebody",
    "tags": "basketball dunk",
    "machine_tags": "geo:lat=41.9",
    "latitude": "41.900000",
    "longitude": -87.6,
    "accuracy": "16",
    "media": "video",
    "media_status": "ready",
    "url_o": "https://live.staticflickr.com/1/o.jpg?a=1&copy=2",
}


def seconds(*date):
    return int(datetime.datetime(*date, tzinfo=datetime.UTC).timestamp())


class ResultFilesTest(ResultFilesCase):
    @parameterized.parameters("{}", "jsonFlickrApi({})", "\ufeffjsonFlickrApi({});\n", " {} ")
    def test_page_of_flickr(self, frame):
        page = {
            "photos": {"page": 2, "pages": 9, "perpage": 100, "total": "801", "photo": [_PHOTO, _PHOTO]},
            "stat": "ok",
        }
        results = self.read("basketball dunk/page2.json", frame.replace("{}", json.dumps(page)).encode())
        self.assertEqual([(result.line, result.item, result.reasons) for result in results], [(0, 1, []), (0, 2, [])])
        record = results[0].record
        self.assertEqual(record.key, "flickr/5807883939")
        self.assertEqual(record.title, "Dunk & run")
        self.assertEqual(record.description, "A <b>dunk</b> <3")
        self.assertEqual(record.owner, "12037949754@N01")
        self.assertEqual(record.licence, "CC BY 2.0")
        self.assertEqual(record.tags, ["basketball", "dunk", "geo:lat=41.9"])
        self.assertEqual((record.uploaded, record.taken), (1307449200, seconds(2011, 6, 5, 12, 33, 10)))
        self.assertEqual((record.latitude, record.longitude), (41.9, -87.6))
        self.assertEqual(record.addresses, [("o", "https://live.staticflickr.com/1/o.jpg?a=1&copy=2")])
        self.assertEqual(
            [result.record.queries for result in results], [[("basketball dunk", 101)], [("basketball dunk", 102)]]
        )

    def test_query_of_a_page_is_its_own_else_of_its_folder_else_of_its_file(self):
        page = {"photos": {"page": 1, "perpage": 100, "photo": [_PHOTO]}}
        for name, own, expected in (
            ("dive/1.json", {"query": "to dive"}, "to dive"),
            ("dive/1.json", {}, "dive"),
            ("cliff dive_page_03.json", {}, "cliff dive"),
        ):
            self.assertEqual(self.one(name, page | own).record.queries, [(expected, 1)])

    def test_answers_of_flickr_about_one_photo(self):
        comments = {
            "comments": {"photo_id": "58", "comment": [{"id": "1", "_content": "Nice &amp; fast"}, {"_content": ""}]}
        }
        record = self.one("c.json", {**comments, "stat": "ok"}).record
        self.assertEqual((record.key, record.comments), ("flickr/58", ["Nice & fast"]))
        self.assertEqual(self.one("c.json", {"comments": {"photo_id": "58"}, "stat": "ok"}).record.comments, [])

        url = "https://www.flickr.com/photos/12037949754@N01/5807883939/sizes/sq/"
        size = {"label": "Site MP4", "width": 640, "source": "https://www.flickr.com/photos/a/x.mp4", "url": url}
        record = self.one("sizes.json", {"sizes": {"candownload": 1, "size": [size]}, "stat": "ok"}).record
        self.assertEqual((record.key, record.addresses), ("flickr/5807883939", [("Site MP4", size["source"])]))

        info = {
            "id": "58",
            "owner": {"nsid": "1@N01", "username": "u"},
            "title": {"_content": "t"},
            "dates": {"posted": "1307449200", "taken": "2011-06-05 00:00:00", "takenunknown": "1"},
            "tags": {"tag": [{"raw": "Two words", "_content": "twowords"}]},
            "location": {"latitude": "1.5", "longitude": "2.5", "accuracy": "16"},
            "comments": {"_content": "3"},
            "urls": {"url": [{"type": "photopage", "_content": url}]},
            "video": {"duration": "17"},
            "media": "video",
        }
        record = self.one("info.json", {"photo": info, "stat": "ok"}).record
        self.assertEqual((record.owner, record.title, record.tags, record.duration), ("1@N01", "t", ["Two words"], 17))
        self.assertEqual((record.uploaded, record.taken, record.latitude), (1307449200, None, 1.5))
        self.assertEqual(record.comments, [])

    def test_information_of_yt_dlp(self):
        info = {
            "id": "-LzdIILq5vE",
            "title": "T",
            "description": "two\nlines",
            "uploader_id": "@u",
            "channel_id": "UC1",
            "license": "Creative Commons Attribution license (reuse allowed)",
            "tags": ["a", "a", "b&amp;c"],
            "comments": [{"id": "x", "text": "hm", "author": "y"}],
            "timestamp": None,
            "upload_date": "20110605",
            "duration": 61,
            "webpage_url": "https://www.youtube.com/watch?v=-LzdIILq5vE",
            "formats": [
                {"format_id": "18", "url": "https://x/videoplayback?expire=1"},
                {"format_id": "o", "url": "https://y/o"},
            ],
            "extractor_key": "Youtube",
            "playlist": "play piano",
            "playlist_index": 7,
        }
        record = self.one("found/x.info.json", info).record
        self.assertEqual(record.key, "youtube/-LzdIILq5vE")
        self.assertEqual((record.description, record.owner), ("two\nlines", "UC1"))
        self.assertEqual((record.tags, record.comments), (["a", "b&c"], ["hm"]))
        self.assertEqual(record.uploaded, seconds(2011, 6, 5))
        self.assertEqual(record.addresses, [("page", info["webpage_url"]), ("o", "https://y/o")])
        self.assertEqual(record.queries, [("play piano", 7)])
        search = {"_type": "playlist", "title": "dive", "entries": [{"id": "a" * 11, "ie_key": "Youtube"}, None]}
        first, second = self.read("s.json", search)
        self.assertEqual((first.record.key, first.record.queries), ("youtube/" + "a" * 11, [("dive", 1)]))
        self.assertEqual((second.item, second.record), (2, None))

    def test_lines_may_be_results_pages_or_damaged(self):
        lines = [
            json.dumps({"id": "1", "site": "x", "query": ["a", "b"], "rank": "2"}),
            "",
            '{"id": "2", "site"',
            json.dumps({"photos": {"page": 1, "perpage": 2, "photo": [_PHOTO, 5]}, "query": "q"}),
            "[]",
            "7",
            '{"id": "3", "site": "x", "title": "caf\\u00e9 \\ud800", "duration": NaN}',
        ]
        content = "\r\n".join(lines).encode() + b'\n{"id": "4", "site": "x", "title": "caf\xe9 \xc3\xa9"}'
        found = self.read("r.jsonl", content)
        self.assertEqual(
            [(r.line, r.item, r.record and r.record.key) for r in found],
            [
                *((1, 0, "x/1"), (3, 0, None), (4, 1, "flickr/5807883939"), (4, 2, None)),
                *((5, 0, None), (6, 0, None), (7, 0, "x/3"), (8, 0, "x/4")),
            ],
        )
        self.assertEqual(found[0].record.queries, [("a", 2), ("b", 2)])
        self.assertEqual((found[6].record.title, found[6].reasons), ("caf\u00e9 \\ud800", ["duration: no number nan"]))
        self.assertEqual(found[7].record.title, "caf\u00e9 \u00e9")

    def test_text_in_utf_16_is_read(self):
        line = json.dumps({"id": "1", "site": "x", "title": "\u00e9"}, ensure_ascii=False)
        for name in ("a.json", "a.jsonl"):
            self.assertEqual(self.one(name, line.encode("utf-16")).record.title, "\u00e9")
            self.assertEqual(self.one(name, f"\ufeff{line}\n".encode("utf-16-be")).record.title, "\u00e9")
        self.assertEqual(self.one("a.jsonl", line.encode("utf-16") + b"\n").record.title, "\u00e9")  # Half a letter.
        (result,) = self.read("a.csv", "id,site,title\n1,x,\u00e9\n".encode("utf-16"))
        self.assertEqual(result.record.title, "\u00e9")

    @parameterized.parameters(
        ({"id": "1"}, "no site"),
        ({"site": "x"}, "no id"),
        ({"id": None, "site": "x"}, "no id"),
        ({"id": {"a": 1}, "site": "x"}, "no id"),
        ({"id": "1", "site": "x", "media": "photo"}, "no video"),
        ({"stat": "fail", "code": 1, "message": "Photo not found"}, "Photo not found"),
        ({"photos": {"page": 1, "photo": []}}, "without any"),
        ({"_type": "playlist", "title": "dive"}, "without any"),
        ([[]], "instead of an object"),
    )
    def test_what_gives_no_record_has_a_reason(self, content, reason):
        result = self.one("r.json", content)
        self.assertIsNone(result.record)
        self.assertIn(reason, result.reasons[0])

    def test_nesting_that_ends_nowhere_is_damage(self):
        for content in (b"[" * 100_000, b'{"a":' * 100_000, b"jsonFlickrApi(", b"", b"\xff\xfe", b"NaN", b"1" * 10_000):
            (result,) = self.read("r.json", content)
            self.assertIsNone(result.record)

    @parameterized.parameters(
        (0, 0, "0", None, None),
        (0, 0, None, None, None),
        (0, 0, 16, 0.0, 0.0),
        ("91", 0, 16, None, "latitude, longitude: impossible place (91, 0)"),
        (1, None, 16, None, "latitude, longitude: one without the other"),
        ("x", 1, 16, None, "latitude: no number 'x'"),
        (-33.5, "151.25", None, -33.5, None),
    )
    def test_places(self, latitude, longitude, accuracy, expected, fault):
        item = {"id": "1", "site": "x", "latitude": latitude, "longitude": longitude, "accuracy": accuracy}
        result = self.one("r.json", item)
        self.assertEqual(result.record.latitude, expected)
        self.assertEqual(result.reasons[:1], [fault] if fault else [])

    def test_fields_of_any_type_are_kept_or_named(self):
        generator = random.Random(0)
        things = [
            None,
            True,
            0,
            -1,
            1e308,
            10**30,
            math.nan,
            "",
            "x",
            "\ud800",
            "1",
            [],
            [[]],
            {},
            {"_content": {}},
            {"tag": 1},
        ]
        deep = []
        for _ in range(400):
            deep = [deep]
        things.append(deep)
        names = sorted(
            {name for names in result_files.records.NAMES.values() for name in names}
            | {"formats", "photos", "photo", "sizes", "datetakenunknown", "media", "url_o"}
        )
        for _ in range(3000):
            item = {name: generator.choice(things) for name in generator.sample(names, 6)}
            results = self.read("r.json", item | {"site": "x"} if generator.random() < 0.5 else item)
            self.assertNotEmpty(results)
            for result in results:
                self.assertTrue(result.record is not None or result.reasons)

    def test_pieces_of_a_file_hold_each_line_once(self):
        generator = random.Random(1)
        lines = [json.dumps({"id": str(n), "site": "x", "title": "t" * generator.randrange(9)}) for n in range(20)]
        lines[5] = ""
        lines[6] = "{"
        content = "\n".join(lines).encode()
        whole = [(r.line, r.record and r.record.id, r.reasons) for r in self.read("r.jsonl", content)]
        path = str(self.folder / "r.jsonl")
        for _ in range(200):
            cuts = sorted(
                {0, 1, len(content), *(generator.randrange(len(content)) for _ in range(generator.randrange(5)))}
            )
            found, counter = [], result_files.LineCounter()
            for start, end in itertools.pairwise(cuts):
                piece = Piece(path, start, end)
                before = counter.before(piece)
                results = result_files.read(piece, Options())
                found += [(before + r.line, r.record and r.record.id, r.reasons) for r in results]
            self.assertEqual(found, whole)


if __name__ == "__main__":
    tf.test.main()
