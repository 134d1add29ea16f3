"""One upload of several copies is kept, with the queries of all: which one."""

import shutil

import numpy as np

from spl_tf.data.duplicates import lookalikes, near_uploads, pairs
from spl_tf.data.duplicates.lookalikes import find_lookalikes
from spl_tf.data.duplicates.near_duplicates import NONE, Match
from spl_tf.data.manifest import Video
from spl_tf.data.video.reader import VideoReader
from spl_tf.data.video.writing import write_video
from spl_tf.demo.action_drawing import FRAME_RATE, draw_action
from tests.data.duplicates.upload_case import UploadCase


class SurvivorsTest(UploadCase):
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

    def test_of_one_upload_with_several_files_one_that_can_be_opened_is_kept(self):
        self.write("good.mp4", 1)
        (self.folder / "bad.mp4").write_text("no video")
        shutil.copy(self.folder / "good.mp4", self.folder / "video.jpg")
        rows = [
            {"path": path, "query": query, "video_id": "v"}
            for path, query in (("bad.mp4", "a"), ("video.jpg", "b"), ("good.mp4", "c"))
        ]
        entries = self.checked(self.manifest(rows), ("a", "b", "c"))
        self.assertEqual([isinstance(entry, Video) for entry in entries], [False, False, True])
        self.assertEqual(entries[2].queries, ("c", "a", "b"))

    def test_short_videos_of_one_motion_are_no_copies_of_each_other(self):
        for name, seed in (("one.mp4", 14), ("other.mp4", 51)):
            shot = draw_action("circles", num_frames=33, rng=np.random.default_rng(seed))
            write_video(self.folder / name, shot, FRAME_RATE)
            write_video(self.folder / f"small-{name}", shot[:, ::2, ::2], FRAME_RATE)
        rows = [{"path": name, "query": "a"} for name in ("one.mp4", "other.mp4", "small-one.mp4", "small-other.mp4")]
        near = {f"small-{name}": ("near-duplicate", name, True) for name in ("one", "other")}
        self.assertEqual(self.outcome(rows), {"one": ("a",), "other": ("a",), **near})

    def test_each_rejected_one_is_near_one_that_is_kept(self):
        for name in "abc":
            self.write(f"{name}.mp4", ord(name))
        # a - b - c is a chain: b is near both, a and c are strangers.
        near = {frozenset("ab"), frozenset("bc")}
        numbers = {}

        def compare(first, second, *_):
            names = frozenset(numbers[pictures.tobytes()] for pictures in (first, second))
            return Match(0.01, 2.0) if names in near else NONE

        class All:
            pairs, left_out = np.array([(0, 1, 0, 3, 3), (1, 2, 0, 3, 3), (0, 2, 0, 3, 3)]), 0

        def everything(chunks, *_):
            (chunk,) = chunks
            parts = np.split(chunk.pictures, chunk.starts[1:-1])
            numbers.update({pictures.tobytes(): "abc"[place] for place, pictures in enumerate(parts)})
            return All

        self.monkeypatch.setattr(near_uploads, "find_lookalikes", everything)
        self.monkeypatch.setattr(pairs, "compare", compare)
        rows = [{"path": f"{name}.mp4", "query": "a"} for name in "abc"]
        self.assertEqual(
            [kept for kept in self.outcome(rows).items() if kept[1] == ("a",)], [("a", ("a",)), ("c", ("a",))]
        )

    def test_an_intact_copy_survives_a_damaged_one_of_better_rank(self):
        for name in ("one.mp4", "two.avi"):
            self.write(name, 1, **({"codec": "MJPG"} if name.endswith("avi") else {}))
        constructor = VideoReader.__init__

        def promising(reader, path):
            constructor(reader, path)
            reader.promised_us *= 100 if path.endswith("one.mp4") else 1

        self.monkeypatch.setattr(VideoReader, "__init__", promising)
        rows = [{"path": "one.mp4", "query": "a", "rank": 1}, {"path": "two.avi", "query": "b", "rank": 2}]
        self.assertEqual(self.outcome(rows), {"one": ("near-duplicate", "two", True), "two": ("b", "a")})

    def test_what_is_inside_a_much_longer_upload_goes_whatever_its_rank(self):
        piece, before, behind = (self.films.film(seed, count) for seed, count in ((1, 80), (2, 120), (3, 100)))
        self.films.write(self.folder / "piece.mp4", piece)
        self.films.write(self.folder / "long.mp4", np.concatenate([before, piece, behind]))
        self.films.write(self.folder / "card.mp4", np.concatenate([np.full_like(piece[:40], 200), piece]))
        rows = [
            {"path": "card.mp4", "query": "c", "rank": 3},
            {"path": "long.mp4", "query": "b", "rank": 2},
            {"path": "piece.mp4", "query": "a", "rank": 1},
        ]
        self.assertEqual(
            self.outcome(rows),
            {
                "card": ("near-duplicate", "long", True),
                "long": ("b", "a", "c"),
                "piece": ("near-duplicate", "long", True),
            },
        )

    def test_what_cannot_be_decoded_is_nobodys_original(self):
        self.write("b.mp4", 1)
        for name in ("a.jpg", "c.jpg"):
            shutil.copy(self.folder / "b.mp4", self.folder / name)
        rows = [{"path": name, "query": "a", "rank": rank} for rank, name in enumerate(("a.jpg", "b.mp4", "c.jpg"))]
        self.assertEqual(self.outcome(rows), {"a": ("a",), "b": ("a",), "c": ("duplicate", "a", 0.0)})

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

        self.monkeypatch.setattr(near_uploads, "find_lookalikes", counted)
        self.monkeypatch.setattr(lookalikes, "_MOST_PARTNERS", 1)
        rows = [{"path": f"{number}.mp4", "query": "abc"[number % 3]} for number in (10, *range(9), 11)]
        near = {str(number): ("near-duplicate", "0", True) for number in range(1, 9)}
        self.assertEqual(self.outcome(rows), {**near, "10": ("b",), "0": ("a", "b", "c"), "11": ("c",)})
        self.assertGreater(len(searches), 1)
        self.assertGreater(searches[0].left_out, 0)
        self.assertEqual(searches[-1].left_out, 0)
