"""Copies of uploads are found by content, and nothing that shows a held-out video stays."""

import contextlib
import csv
import io
import pathlib
import shutil

import cv2
import numpy as np
import pytest
from absl.testing import parameterized

from spl_tf.data.duplicates import fingerprint_files
from spl_tf.data.duplicates.held_out import read_held_out
from spl_tf.data.manifest import Video
from tests.data.duplicates.upload_case import UploadCase

DATA = pathlib.Path(__file__).parents[3].parent / "shared/data/ucf6"


class UploadsTest(UploadCase):
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

    def test_a_piece_of_a_held_out_video_is_too_much_but_of_another_upload_it_is_not(self):
        films = [self.films.film(seed, 80) for seed in range(4)]
        self.films.write(self.folder / "test.mp4", np.concatenate(films[:2]))
        self.films.write(self.folder / "a.mp4", np.concatenate([films[1][:, :, ::-1], films[2]]))
        self.films.write(self.folder / "b.mp4", np.concatenate([films[2], films[3]]))
        rows = [{"path": f"{name}.mp4", "query": "a"} for name in "ab"]
        self.assertEqual(self.outcome(rows), {"a": ("a",), "b": ("a",)})
        entries = self.checked(self.manifest(rows), ("a",), self.manifest([{"path": "test.mp4"}], "test.csv"))
        self.assertIsInstance(entries[1], Video)
        self.assertRegex(entries[0].reason, r"held out \(shows [34]\.\d s of test.mp4 of test.csv\)")

    @parameterized.parameters(False, True)
    def test_a_folder_of_frames_is_a_copy_of_the_video_it_was_cut_from(self, is_held_out):
        self.write_frames("frames", self.films.film(1, 40))
        self.write("again.mp4", 1)
        self.write("other.mp4", 2)
        folder = {"path": "frames", "query": "a", "fps": 20.0, "rank": 1}
        rows = [{"path": name, "query": "b", "rank": 2} for name in ("again.mp4", "other.mp4")]
        if is_held_out:
            found = self.outcome(rows, self.manifest([folder], "test.csv"))
            self.assertEqual(found, {"again": ("held out", "frames", True), "other": ("b",)})
        else:
            near = ("near-duplicate", "frames", True)
            self.assertEqual(self.outcome([folder, *rows]), {"frames": ("a", "b"), "again": near, "other": ("b",)})

    def test_copies_of_a_folder_of_frames_that_is_held_out_by_its_id_are_held_out(self):
        self.write_frames("frames", self.films.film(1, 40))
        self.write("again.mp4", 1)
        rows = [
            {"path": "frames", "query": "a", "fps": 20.0, "video_id": "v1"},
            {"path": "again.mp4", "query": "a", "video_id": "v2"},
        ]
        held_out = self.manifest([{"video_id": "v1"}], "test.csv")
        outcome = self.outcome(rows, held_out)
        self.assertEqual(outcome, {"v1": ("held out", "v1", 0.0), "v2": ("held out", "v1", True)})

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

    @pytest.mark.slow
    def test_the_six_copies_and_the_four_held_out_ones_among_the_uploads_of_ucf6_are_found_and_no_other(self):
        if not DATA.is_dir():
            pytest.skip("optional local data ucf6 is absent")
        copies = ("ba015", "ho006", "ho009", "vi011", "vi012", "vi029")
        leaks = ("BasketballDunk_g07_c02", "PlayingPiano_g06_c04", "Surfing_g02_c01", "Surfing_g02_c06")
        lists = [self._some_rows(DATA / name, (*copies, *leaks)) for name in ("web.csv", "test.csv")]
        entries = self.checked(lists[0], (DATA / "classes.txt").read_text().split(), lists[1])
        rejected = {entry.video_id: entry for entry in entries if not isinstance(entry, Video)}
        self.assertEqual(
            {name: (entry.kind, pathlib.Path(entry.partner).name) for name, entry in rejected.items()},
            {f"dw{name}": ("near-duplicate", f"w{name}") for name in copies}
            | {f"v_{name}": ("held out", f"v_{name}.mp4") for name in leaks},
        )
        kept = {entry.video_id: entry.queries for entry in entries if isinstance(entry, Video)}
        self.assertEqual(
            {name: queries for name, queries in kept.items() if len(queries) > 1},
            {f"w{name}": (*kept[f"w{name}"][:1], rejected[f"dw{name}"].label) for name in copies},
        )
        self.assertGreater(len(kept), 40)

    def _some_rows(self, path, names):
        """A list of the rows that name one of these, and of every fourth other one."""
        with open(path, newline="") as opened:
            rows = list(csv.DictReader(opened))
        named = [any(name in row["path"] for name in names) for row in rows]
        chosen = [row for number, row in enumerate(rows) if named[number] or number % 4 == 0]
        with open(self.folder / path.name, "w", newline="") as opened:
            writer = csv.DictWriter(opened, rows[0])
            writer.writeheader()
            writer.writerows(row | {"path": path.parent / row["path"]} for row in chosen)
        return self.folder / path.name
