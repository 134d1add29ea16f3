"""Which clips of which cells are explained by which network, and how."""

import base64
from unittest import mock

import cv2
import numpy as np
import pytest
import tensorflow as tf

from spl_tf.inference.explanation import Explained
from spl_tf.report import explained
from spl_tf.report.cells import read_matrix
from spl_tf.report.collect import Recipe

CLASSES = ["run", "jump", "swim"]
CONFUSION = np.array([[90, 40, 2], [7, 80, 30], [1, 0, 60]])
# Grey frames of rising brightness.
FRAMES = np.broadcast_to(np.arange(0, 240, 30, dtype=np.uint8)[:, None, None, None], (8, 32, 32, 3))


def _explain(trained, dataset, places, target, *, spl_classes):
    """What a network that sees "swim" everywhere in the right half of every frame would make of the clips."""
    maps = np.zeros(FRAMES.shape[:3], np.float32)
    maps[:, :, 16:] = 1.0
    for place, spl_class in zip(places, spl_classes, strict=True):
        yield Explained(
            place=place,
            clip_id=f"clip{place.row}",
            weak="jump" if 132 <= place.row < 249 else "swim" if place.row >= 249 else "run",
            teacher=CLASSES[place.teacher],
            spl_class=spl_class,
            predicted="swim",
            predicted_score=0.75,
            target="swim",
            score=0.75,
            frames=FRAMES,
            maps=maps,
        )


class ExplainedTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, made, parse):
        self.made, self.parse = made, parse

    def _explained(self, *strategies):
        """The section and the folder of the network."""
        self.made.web(CLASSES, CONFUSION, records=True)
        for strategy in strategies:
            self.made.labels(strategy, [True, True])
        recipe = Recipe(self.made.folder, self.made.results)
        matrix = read_matrix(recipe)
        with mock.patch.multiple(explained, load_trained=mock.DEFAULT, explained_clips=_explain) as mocks:
            section = explained.explained_section(recipe, matrix, explained.network_to_explain(matrix))
        (folder,) = mocks["load_trained"].call_args.args
        return self.parse(section.markup), str(folder.relative_to(self.made.folder))

    def test_a_clip_of_each_of_the_fullest_cells_with_its_classes_as_text(self):
        page, folder = self._explained("weak", "spl", "spl_b")
        self.assertEqual(folder, "seed0/spl_b/pretrain")
        figures = page.all("figure")
        # Clips of a cell follow each other; cells by falling count, five of them have clips.
        cells = (("run", "jump", 90, 40), ("jump", "swim", 219, 30), ("jump", "run", 132, 7), ("run", "swim", 130, 2))
        for figure, (query, seen, start, count) in zip(figures, (*cells, ("swim", "run", 249, 1)), strict=True):
            caption = figure.one("figcaption")
            self.assertEqual(caption.all("b")[0].text, f"{query} queried, {seen} seen")
            *lines, clip = (line.text for line in caption.all("li"))
            facts = [f"weak label: {query}", f"teacher: {seen}, 0.50", f"SPL class: {query}|other"]
            self.assertEqual(lines, [*facts, "predicted: swim, 0.75"])
            self.assertBetween(int(clip.removeprefix("clip: clip")), start, start + count - 1)
            alt = figure.one("img").attributes["alt"]
            for words in (f"found by {query}", f"teacher sees {seen}", "looks for swim"):
                self.assertIn(words, alt)

    def test_pictures_are_frames_over_the_same_frames_with_their_maps_and_nothing_else(self):
        page, _ = self._explained("spl")
        content = page.all("img")[0].attributes["src"].removeprefix("data:image/jpeg;base64,")
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
        self.assertEqual(picture.shape, (2 * 32, 4 * 32, 3))
        # The first and the last frame, and two between them.
        self.assertAllClose(picture[16, 16::32, 0], [0, 60, 150, 210], atol=3)
        blue, red = (picture[32:, column].astype(int) for column in (8, 24))
        self.assertGreater((blue[..., 0] - blue[..., 2]).mean(), 5)
        self.assertGreater((red[..., 2] - red[..., 0]).mean(), 30)

    def test_classes_that_know_of_the_disagreement_come_first(self):
        self.assertEqual(self._explained("weak", "spl")[1], "seed0/spl/pretrain")

    def test_a_teacher_alone_explains_nothing(self):
        self.made.web(CLASSES, CONFUSION)
        self.made.labels("teacher", [True, True])
        self.assertIsNone(explained.network_to_explain(read_matrix(Recipe(self.made.folder, self.made.results))))


if __name__ == "__main__":
    tf.test.main()
