"""Which clips of which cells are explained by which network."""

from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from spl_tf.report import explained
from spl_tf.report.cells import read_matrix
from spl_tf.report.collect import Recipe

CLASSES = ["run", "jump", "swim"]
CONFUSION = np.array([[90, 40, 2], [7, 80, 30], [1, 0, 60]])


class ExplainedTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, made):
        self.made = made

    def _explained(self, *strategies):
        """(the section, its folder, places and SPL classes) with pictures that tell their clip's number."""
        self.made.web(CLASSES, CONFUSION, records=True)
        for strategy in strategies:
            self.made.labels(strategy, [True, True])
        recipe = Recipe(self.made.folder, self.made.results)
        matrix = read_matrix(recipe)
        pictures = mock.Mock(
            side_effect=lambda trained, dataset, places, spl_classes: [np.zeros((8, 8, 3), np.uint8)] * len(places)
        )
        with mock.patch.multiple(explained, load_trained=mock.DEFAULT, overlays=pictures) as mocks:
            section = explained.explained_section(recipe, matrix, explained.network_to_explain(matrix))
        (folder,) = mocks["load_trained"].call_args.args
        return section, folder.relative_to(self.made.folder), *pictures.call_args.args[2:], pictures.call_args.kwargs

    def test_a_clip_of_each_of_the_fullest_cells_with_its_spl_class(self):
        section, folder, places, options = self._explained("weak", "spl", "spl_b")
        self.assertEqual(str(folder), "seed0/spl_b/pretrain")
        # Clips of a cell follow each other; cells by falling count, five of them have clips.
        for place, (start, count) in zip(places, ((90, 40), (219, 30), (132, 7), (130, 2), (249, 1)), strict=True):
            self.assertBetween(place.row, start, start + count - 1)
        self.assertEqual(options["spl_classes"], ["run|other", "jump|other", "jump|other", "run|other", "swim|other"])
        captions = [
            f"{query} queried, {seen} seen" for query, seen in (("run", "jump"), ("jump", "swim"), ("jump", "run"))
        ]
        places_in_text = [section.content.index(f"<figcaption>{caption}") for caption in captions]
        self.assertEqual(places_in_text, sorted(places_in_text))

    def test_classes_that_know_of_the_disagreement_come_first(self):
        self.assertEqual(str(self._explained("weak", "spl")[1]), "seed0/spl/pretrain")

    def test_a_teacher_alone_explains_nothing(self):
        self.made.web(CLASSES, CONFUSION)
        self.made.labels("teacher", [True, True])
        self.assertIsNone(explained.network_to_explain(read_matrix(Recipe(self.made.folder, self.made.results))))


if __name__ == "__main__":
    tf.test.main()
