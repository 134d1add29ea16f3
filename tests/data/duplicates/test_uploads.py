"""One upload of several copies is kept, with the queries of all; nothing near a held-out video stays."""

import contextlib
import csv
import io
import pathlib
import shutil

import cv2
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.duplicates import fingerprint_files, lookalikes, uploads
from spl_tf.data.duplicates.held_out import read_held_out, reject_held_out
from spl_tf.data.duplicates.lookalikes import find_lookalikes
from spl_tf.data.duplicates.uploads import drop_duplicates, merge_repeated
from spl_tf.data.manifest import Video, read_manifest

DATA = pathlib.Path(__file__).parents[3].parent / "shared/data/ucf6"


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

    def checked(self, manifest, classes, *held_out):
        rows, known = read_manifest(manifest, classes, "query"), read_held_out(held_out)
        entries, files = reject_held_out(rows, known)
        entries = merge_repeated(entries)
        entries = drop_duplicates(entries, [*known.files, *files], self.folder / "F", 1, 10.0)
        self.assertLen(entries, len(rows))
        return entries

    def outcome(self, rows, *held_out):
        """video_id -> its queries when it is kept, else (kind, partner, distance or near)."""
        found = []
        for entry in self.checked(self.manifest(rows), ("a", "b", "c"), *held_out):
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

    def test_copies_of_an_upload_that_is_held_out_by_its_id_are_held_out_without_the_test_file(self):
        self.write("one.mp4", 1)
        shutil.copy(self.folder / "one.mp4", self.folder / "same.mp4")
        self.write("again.avi", 1, codec="MJPG")
        self.write("other.mp4", 2)
        held_out = self.folder / "test.csv"
        held_out.write_text("video_id\nidA\n")
        rows = [
            {"path": "again.avi", "query": "a", "video_id": "idC"},
            {"path": "other.mp4", "query": "a", "video_id": "idD"},
            {"path": "one.mp4", "query": "a", "video_id": "idA", "rank": 9},
            {"path": "same.mp4", "query": "a", "video_id": "idB"},
        ]
        entries = self.checked(self.manifest(rows), ("a",), held_out)
        self.assertEqual(
            [(entry.video_id, getattr(entry, "reason", "kept"), getattr(entry, "partner", "")) for entry in entries],
            [
                ("idC", "held out (near-duplicate of idA of test.csv)", "idA"),
                ("idD", "kept", ""),
                ("idA", "held out (idA is in test.csv)", "idA"),
                ("idB", "held out (same content as idA of test.csv)", "idA"),
            ],
        )

    def test_a_file_that_is_held_out_twice_is_decoded_once(self):
        for seed, name in enumerate(("test.mp4", "found.mp4", "other.mp4")):
            self.write(name, seed)
        shutil.copy(self.folder / "test.mp4", self.folder / "same.mp4")
        lists = [
            self.manifest([{"path": name} for name in ("test.mp4", "found.mp4")], f"{number}.csv") for number in "12"
        ]
        decoded = []

        def run(function, jobs, **_):
            decoded.extend(pathlib.Path(job.path).name for job in jobs)
            return map(function, jobs)

        self.monkeypatch.setattr(fingerprint_files, "run_in_workers", run)
        outcome = self.outcome([{"path": f"{name}.mp4", "query": "a"} for name in ("found", "same", "other")], *lists)
        self.assertEqual([name for name, found in outcome.items() if found == ("a",)], ["other"])
        self.assertEqual(decoded, ["test.mp4", "found.mp4", "other.mp4"])

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

        self.monkeypatch.setattr(uploads, "find_lookalikes", everything)
        self.monkeypatch.setattr(uploads, "distance", distance)
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

    def test_what_could_not_be_compared_is_said(self):
        self.write("one.mp4", 1)
        self.write("other.mp4", 2)
        for name in ("x.mp4", "y.mp4", "z.mp4"):
            (self.folder / name).write_text(f"no video {name}")
        held_out = self.manifest([{"path": "z.mp4"}, {"path": "other.mp4"}], "test.csv")
        rows = [{"path": name, "query": "a"} for name in ("one.mp4", "x.mp4", "y.mp4")]
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            self.assertEqual(set(self.outcome(rows, held_out).values()), {("a",)})
        self.assertEqual(
            said.getvalue(),
            "2 uploads and 1 held-out videos could not be decoded for the comparison: "
            "compared by id, name, address and equal bytes only\n",
        )

    def test_all_but_one_of_a_crowd_are_dropped_although_each_is_compared_with_one_other_at_a_time(self):
        film, searches = self.films.film(1, 40), []
        for number in range(9):
            frames = (film * (1 - 0.02 * number)).astype(np.uint8)
            self.films.write(self.folder / f"{number}.mp4", frames)
        for number in (10, 11):
            self.write(f"{number}.mp4", number)

        def counted(*arguments):
            searches.append(find_lookalikes(*arguments))
            return searches[-1]

        self.monkeypatch.setattr(uploads, "find_lookalikes", counted)
        self.monkeypatch.setattr(lookalikes, "_MOST_PARTNERS", 1)
        rows = [{"path": f"{number}.mp4", "query": "abc"[number % 3]} for number in (10, *range(9), 11)]
        near = {str(number): ("near-duplicate", "0", True) for number in range(1, 9)}
        self.assertEqual(self.outcome(rows), {**near, "10": ("b",), "0": ("a", "b", "c"), "11": ("c",)})
        self.assertGreater(len(searches), 1)
        self.assertGreater(searches[0].left_out, 0)
        self.assertEqual(searches[-1].left_out, 0)

    def test_the_six_copies_and_the_four_held_out_ones_among_the_uploads_of_ucf6_are_found_and_no_other(self):
        if not DATA.is_dir():
            pytest.skip("optional local data ucf6 is absent")
        entries = self.checked(DATA / "web.csv", (DATA / "classes.txt").read_text().split(), DATA / "test.csv")
        rejected = {entry.video_id: entry for entry in entries if not isinstance(entry, Video)}
        copies = ("ba015", "ho006", "ho009", "vi011", "vi012", "vi029")
        leaks = ("BasketballDunk_g07_c02", "PlayingPiano_g06_c04", "Surfing_g02_c01", "Surfing_g02_c06")
        self.assertEqual(
            {name: (entry.kind, entry.partner) for name, entry in rejected.items()},
            {f"dw{name}": ("near-duplicate", f"w{name}") for name in copies}
            | {f"v_{name}": ("held out", f"v_{name}") for name in leaks},
        )
        kept = {entry.video_id: entry.queries for entry in entries if isinstance(entry, Video)}
        self.assertEqual(
            {name: queries for name, queries in kept.items() if len(queries) > 1},
            {f"w{name}": (*kept[f"w{name}"][:1], rejected[f"dw{name}"].label) for name in copies},
        )
        self.assertLen(kept, 180)
