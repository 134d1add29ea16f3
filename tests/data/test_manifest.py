import contextlib
import io
import itertools
import json
import math
import os
import pathlib
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.manifest import Video, read_manifest
from spl_tf.errors import UserError

CLASSES = ("archery", "playing piano", "a|b")


class ManifestTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("one.mp4", "two.mp4", "sub/one.mp4"):
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_bytes(b"video")

    def read(self, text, name="m.csv", label_column="label"):
        (self.folder / name).write_text(text, encoding="utf-8")
        return read_manifest(self.folder / name, CLASSES, label_column)

    def test_reads_rows_against_the_manifests_folder(self):
        first, second = self.read(f"path,label\none.mp4,archery\n{self.folder}/two.mp4, playing piano \n")
        self.assertEqual(
            first,
            Video(f"{self.folder}/one.mp4", "one.mp4", "one", (0,), ("archery",), 0.0, math.inf, ()),
        )
        self.assertEqual((second.path, second.labels), (f"{self.folder}/two.mp4", (1,)))

    def test_reads_another_label_column_ids_interval_and_queries(self):
        (video,) = self.read("video_id,path,query,start,end\nv7,one.mp4,archery,1.5,4\n", label_column="query")
        self.assertEqual((video.video_id, video.start_seconds, video.end_seconds), ("v7", 1.5, 4.0))
        self.assertEqual(video.queries, ("archery",))
        self.assertTrue(video.id_is_given)

    def test_several_labels_are_separated_by_a_bar_unless_the_whole_is_a_class(self):
        videos = self.read("path,label,queries\none.mp4,playing piano|archery|archery,x|y\ntwo.mp4,a|b,\n")
        self.assertEqual([video.labels for video in videos], [(1, 0), (2,)])
        self.assertEqual(videos[0].queries, ("x", "y"))

    def test_jsonl_and_csv_with_byte_order_mark_read_alike(self):
        rows = [{"path": "one.mp4", "label": ["archery", "a|b"], "start": 2}, {"path": "two.mp4", "label": "archery"}]
        from_json = self.read("\n".join(map(json.dumps, rows)), "m.jsonl")
        from_csv = self.read("\ufeffpath,label,start\none.mp4,archery,2\ntwo.mp4,archery,\n")
        self.assertEqual(from_json[0].labels, (0, 2))
        self.assertEqual(from_json[0].start_seconds, from_csv[0].start_seconds)
        self.assertEqual(from_json[1], from_csv[1])

    def test_derived_ids_are_the_shortest_unique_form_of_the_path(self):
        videos = self.read(
            "path,label,start\none.mp4,archery,\nsub/one.mp4,archery,\ntwo.mp4,archery,0\ntwo.mp4,archery,5\n"
        )
        self.assertEqual([video.video_id for video in videos], ["one", "sub/one", "two#0-", "two#5-"])
        self.assertEqual([video.upload_id for video in videos], ["one", "sub/one", "two", "two"])

    @parameterized.named_parameters(
        ("no path", ",archery,,", "no path"),
        ("no label", "one.mp4,,,", "no label"),
        ("unknown", "one.mp4,archry,,", "unknown label 'archry' (is it 'archery'?)"),
        ("other case", "one.mp4,PLAYING PIANO,,", "unknown label 'PLAYING PIANO' (is it 'playing piano'?)"),
        ("one of two unknown", "one.mp4,archery|zzz,,", "unknown label 'zzz'"),
        ("missing", "three.mp4,archery,,", "no such file"),
        ("folder", "sub,archery,,", "not a file (a folder of frames needs a column 'fps' or --frames_fps)"),
        ("text", "read.me.txt,archery,,", "text file, no video"),
        ("nfo", "READ.NFO,archery,,", "text file, no video"),
        ("sound", "song.m4a,archery,,", "sound file, no video"),
        ("playlist", "x.m3u8,archery,,", "playlist, no video"),
        ("half a download", "one.mp4.part,archery,,", "unfinished download, no video"),
        ("picture", "a.heic,archery,,", "image of a format that is not read, no video"),
        ("empty", "empty.mp4,archery,,", "empty file"),
        ("address", "http://127.0.0.1/x.mp4,archery,,", "no such file"),
        ("start is no number", "one.mp4,archery,soon,", "unusable interval (start 'soon', end '')"),
        ("end before start", "one.mp4,archery,3,2", "unusable interval (start '3', end '2')"),
        ("start beyond all", "one.mp4,archery,1e308,", "unusable interval (start '1e308', end '')"),
        ("end beyond all", "one.mp4,archery,3,1e300", "unusable interval (start '3', end '1e300')"),
        ("start is infinite", "one.mp4,archery,inf,", "unusable interval (start 'inf', end '')"),
        ("end is nan", "one.mp4,archery,0,nan", "unusable interval (start '0', end 'nan')"),
        ("row too short", "one.mp4", "no label"),
    )
    def test_rejects_a_row_with_its_reason(self, row, reason):
        (self.folder / "empty.mp4").touch()
        for name in ("read.me.txt", "READ.NFO", "song.m4a", "x.m3u8", "one.mp4.part", "a.heic"):
            (self.folder / name).write_text("something")
        rejection, video = self.read(f"path,label,start,end\n{row}\ntwo.mp4,archery,,\n")
        self.assertEqual(rejection.reason, reason)
        self.assertIsInstance(video, Video)

    def test_rows_of_a_video_id_with_other_intervals_are_segments_of_one_upload(self):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            rows = self.read(
                "path,label,video_id,start,end\nno.mp4,archery,v,,\none.mp4,archery,v,,3.50\none.mp4,archery,v,0,3.5\n"
                "one.mp4,playing piano,v,10,20\ntwo.mp4,archery,w,,\n"
            )
        self.assertEqual([row.video_id for row in rows], ["v", "v#0-3.5", "v#0-3.5", "v#10-20", "w"])
        self.assertEqual([row.upload_id for row in rows[1:]], ["v", "v", "v", "w"])
        self.assertEqual([row.labels for row in rows[1:]], [(0,), (0,), (1,), (0,)])
        self.assertIn(
            "1 uploads are listed with several intervals, which become videos of their own, e.g. v#0-3.5",
            printed.getvalue(),
        )

    def test_an_id_that_a_segment_would_take_is_kept_by_the_row_that_has_it(self):
        rows = self.read("path,label,video_id,end\none.mp4,archery,v,1\none.mp4,archery,v,2\ntwo.mp4,archery,v#0-2,\n")
        self.assertEqual([row.video_id for row in rows], ["v#0-1", "v", "v#0-2"])
        self.assertEqual(rows[1].reason, "duplicate video_id (v#0-2 is the id of another row)")

    def test_other_labels_of_one_video_are_said_with_a_count(self):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            self.read("path,label\none.mp4,archery\none.mp4,playing piano\ntwo.mp4,archery\ntwo.mp4,archery\n")
        self.assertIn("1 videos, one first, are listed again with another label", printed.getvalue())

    def test_reads_rank_and_address(self):
        videos = self.read("path,label,rank,address\none.mp4,archery,7,youtu.be/x\ntwo.mp4,archery,top,\n")
        self.assertEqual([(video.rank, video.address) for video in videos], [(7.0, "youtu.be/x"), (math.inf, "")])

    def test_each_file_is_looked_at_once(self):
        table = "path,label\none.mp4,archery\nthree.mp4,archery\nsub,archery\ntwo.mp4,archery\n"
        (self.folder / "m.csv").write_text(table)
        with mock.patch.object(os, "stat", side_effect=os.stat) as looked:
            rows = read_manifest(self.folder / "m.csv", CLASSES, "label")
        self.assertLen(rows, 4)
        names = [os.path.basename(call.args[0]) for call in looked.call_args_list]
        names = [name for name in names if name != "m.csv"]
        self.assertEqual(names, ["one.mp4", "three.mp4", "sub", "two.mp4"])

    def test_only_what_takes_long_shows_a_bar(self):
        for seconds, shown in ((0, False), (1000, True)):
            clock = mock.patch("tqdm.std.time", side_effect=itertools.count(0, seconds))
            with clock, contextlib.redirect_stderr(io.StringIO()) as printed:
                self.read("path,label\none.mp4,archery\ntwo.mp4,archery\n")
            self.assertEqual("manifest: " in printed.getvalue(), shown)

    def test_rejects_what_no_file_can_hold(self):
        (broken_id, broken_path, nested) = self.read(
            '{"path": "one.mp4", "label": "archery", "video_id": "a\\nb"}\n'
            '{"path": "\\ud800\\u0000.mp4", "label": "archery"}\n'
            f'{{"path": {"[" * 900 + "]" * 900}, "label": "archery"}}\n',
            "m.jsonl",
        )
        self.assertEqual((broken_id.kind, broken_path.kind), ("unusable video_id", "no such file"))
        broken_path.path.encode()
        self.assertEqual((nested.path, nested.kind), ("(list)", "no such file"))

    @parameterized.named_parameters(
        ("empty", b"", "has no rows"),
        ("header only", b"path,label\n", "has no rows"),
        ("no label column", b"path,query\none.mp4,archery\n", r"no column 'label' \(it has path, query\)"),
        ("no path column", b"file,label\none.mp4,archery\n", "no column 'path'"),
        ("latin-1", "path,label\none.mp4,b\u00f6gen\n".encode("latin-1"), "is not UTF-8"),
        ("binary", bytes(range(256)), "is not UTF-8"),
        ("label twice", b"path,label, label\none.mp4,archery,x\n", "has two columns 'label'"),
        ("folder", None, "folder without a subfolder named by a class"),
    )
    def test_names_what_is_wrong_with_the_table(self, content, message):
        if content is not None:
            (self.folder / "m.csv").write_bytes(content)
        with self.assertRaisesRegex(UserError, message):
            read_manifest(self.folder if content is None else self.folder / "m.csv", CLASSES, "label")

    @parameterized.parameters(
        ("{", "line 2 .* is not JSON"), ("[1]", "line 2 .* is not a JSON object"), ("9" * 5000, "line 2 .* is not JSON")
    )
    def test_names_a_bad_line_of_json(self, line, message):
        with self.assertRaisesRegex(UserError, message):
            self.read(f'{{"path": "one.mp4", "label": "archery"}}\n{line}\n', "m.jsonl")

    def test_names_a_missing_manifest(self):
        with self.assertRaisesRegex(UserError, "is no file: check --manifest"):
            read_manifest(self.folder / "none.csv", CLASSES, "label")
