"""One upload of several copies is kept, with the queries of all; nothing near a held-out video stays."""

import csv
import pathlib
import shutil

import cv2
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data import duplicates, fingerprint_files
from spl_tf.data.duplicates import drop_duplicates, merge_repeated
from spl_tf.data.held_out import read_held_out, reject_held_out
from spl_tf.data.manifest import Video, read_manifest

DATA = pathlib.Path(__file__).parents[2].parent / "shared/data/ucf6"


class DuplicatesTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, films, monkeypatch):
        self.films, self.monkeypatch = films, monkeypatch

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.monkeypatch.setattr(fingerprint_files, "run_in_workers", lambda function, jobs, **_: map(function, jobs))

    def write(self, name, seed, **options):
        return self.films.write(self.folder / name, self.films.film(seed, 40), **options)

    def manifest(self, rows, name="web.csv"):
        with open(self.folder / name, "w", newline="") as opened:
            writer = csv.DictWriter(opened, ["path", "query", "rank", "video_id", "start", "end", "address"])
            writer.writeheader()
            writer.writerows(rows)
        return self.folder / name

    def outcome(self, rows, *held_out):
        """video_id -> its queries when it is kept, else (kind, partner, distance or near)."""
        entries = read_manifest(self.manifest(rows), ("a", "b", "c"), "query")
        known = read_held_out(held_out)
        entries = merge_repeated(reject_held_out(entries, known))
        entries = drop_duplicates(entries, known.files, self.folder / "F", 1, 10.0)
        self.assertLen(entries, len(rows))
        found = []
        for entry in entries:
            if isinstance(entry, Video):
                found.append((entry.video_id, entry.queries))
            else:
                away = entry.distance and (entry.distance < 0.1)
                found.append((entry.video_id, (entry.kind, entry.partner, away)))
        return dict(found) if len(dict(found)) == len(found) else found

    def test_the_best_ranked_copy_survives_with_all_queries(self):
        self.write("one.mp4", 1)
        self.write("again.avi", 1, codec="MJPG")
        shutil.copy(self.folder / "one.mp4", self.folder / "same.mp4")
        self.write("other.mp4", 2)
        rows = [
            {"path": "one.mp4", "query": "a", "rank": 5},
            {"path": "again.avi", "query": "b", "rank": 2},
            {"path": "same.mp4", "query": "c"},
            {"path": "other.mp4", "query": "a", "rank": 1},
        ]
        near = ("near-duplicate", "again", True)
        self.assertEqual(self.outcome(rows), {"one": near, "again": ("b", "a", "c"), "same": near, "other": ("a",)})

    def test_of_equal_ranks_the_first_row_survives(self):
        for name in ("one.mp4", "two.mp4"):
            self.write(name, 1)
        rows = [{"path": "two.mp4", "query": "a"}, {"path": "one.mp4", "query": "b"}]
        self.assertEqual(self.outcome(rows), {"two": ("a", "b"), "one": ("duplicate", "two", 0.0)})

    def test_rows_of_one_video_id_are_one_upload(self):
        self.write("one.mp4", 1)
        row = {"path": "one.mp4", "query": "a", "video_id": "v", "rank": 3}
        self.assertEqual(
            self.outcome([row, {**row, "query": "b", "rank": 1}]),
            [("v", ("duplicate", "v", 0.0)), ("v", ("b", "a"))],
        )

    def test_parts_of_one_file_are_different_videos(self):
        self.write("one.mp4", 1)
        rows = [{"path": "one.mp4", "query": "a", "start": 0, "end": end} for end in (1.0, 1.02)]
        self.assertLen([queries for _, queries in self.outcome(rows).items() if queries == ("a",)], 2)

    def test_nothing_that_shows_a_held_out_video_stays(self):
        self.write("test.mp4", 1)
        shutil.copy(self.folder / "test.mp4", self.folder / "same.mp4")
        self.write("again.avi", 1, codec="MJPG")
        self.write("found.mp4", 2)
        self.write("other.mp4", 3)
        held_out = self.manifest(
            [
                {"path": "test.mp4", "query": "a", "video_id": "t1"},
                {"path": "gone.mp4", "query": "a", "video_id": "t2", "address": "youtu.be/xyz"},
            ],
            "test.csv",
        )
        rows = [
            {"path": "same.mp4", "query": "a", "video_id": "v1"},
            {"path": "again.avi", "query": "a", "video_id": "v2"},
            {"path": "found.mp4", "query": "a", "video_id": "v3", "address": "https://www.youtube.com/watch?v=xyz"},
            {"path": "other.mp4", "query": "a", "video_id": "v4"},
        ]
        self.assertEqual(
            self.outcome(rows, held_out),
            {
                "v1": ("held out", "test.mp4", 0.0),
                "v2": ("held out", "test.mp4", True),
                "v3": ("held out", "youtube.com/watch?v=xyz", 0.0),
                "v4": ("a",),
            },
        )
        self.assertEqual(read_held_out([held_out]).num_missing_files, 1)

    def test_each_rejected_one_is_near_one_that_is_kept(self):
        for name in "abc":
            self.write(f"{name}.mp4", ord(name))
        # a - b - c is a chain: b is near both, a and c are strangers.
        near = {frozenset("ab"), frozenset("bc")}
        numbers = {}

        def distance(first, second, _):
            names = frozenset(numbers[picture.tobytes()] for picture in (first, second))
            return 0.1 if names in near else 1.0

        class All:
            pairs, left_out = [(0, 1, 0), (1, 2, 0), (0, 2, 0)], 0

        def everything(chunks, wanted):
            numbers.update({picture.tobytes(): "abc"[place] for place, picture in enumerate(chunks[0])})
            return All

        self.monkeypatch.setattr(duplicates, "find_lookalikes", everything)
        self.monkeypatch.setattr(duplicates, "distance", distance)
        rows = [{"path": f"{name}.mp4", "query": "a"} for name in "abc"]
        self.assertEqual(
            [kept for kept in self.outcome(rows).items() if kept[1] == ("a",)], [("a", ("a",)), ("c", ("a",))]
        )

    def test_images_and_undecodable_files_are_compared_by_content_only(self):
        picture = self.films.film(1, 1)[0]
        for name, quality in (("one.jpg", 95), ("paler.jpg", 60)):
            cv2.imwrite(str(self.folder / name), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        shutil.copy(self.folder / "one.jpg", self.folder / "same.jpg")
        for name in ("x.mp4", "y.mp4"):
            (self.folder / name).write_text("no video")
        (self.folder / "z.mp4").write_text("no film")
        rows = [
            {"path": name, "query": "a"} for name in ("one.jpg", "paler.jpg", "same.jpg", "x.mp4", "y.mp4", "z.mp4")
        ]
        dropped = {name for name, found in self.outcome(rows).items() if found != ("a",)}
        self.assertEqual(dropped, {"same", "y"})

    def test_the_six_copies_among_the_web_videos_of_ucf6_and_a_renamed_leak_are_found(self):
        if not DATA.is_dir():
            pytest.skip("optional local data ucf6 is absent")
        copies = {"ba015", "ho006", "ho009", "vi011", "vi012", "vi029"}
        (self.folder / "web").mkdir()
        for path in (DATA / "web").glob("*.mp4"):
            if path.stem.lstrip("dw") in copies or path.stem.endswith("7"):
                shutil.copy(path, self.folder / "web")
        leak = "v_Surfing_g02_c01.mp4"
        shutil.copy(DATA / "videos" / leak, self.folder / "web/leak.mp4")
        frames = sorted(path.name for path in (self.folder / "web").iterdir())
        held_out = self.folder / "test.csv"
        held_out.write_text(f"path\n{DATA}/videos/{leak}\n")
        outcome = self.outcome([{"path": f"web/{name}", "query": "a"} for name in frames], held_out)
        dropped = {name for name, found in outcome.items() if found != ("a",)}
        self.assertEqual({name.lstrip("dw") for name in dropped}, copies | {"leak"})
