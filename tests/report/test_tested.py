"""The test class by class, against the numbers that lie in the folders of the tests."""

import base64

import cv2
import numpy as np
import pytest
import tensorflow as tf

from spl_tf.files import write_json
from spl_tf.report.collect import Recipe
from spl_tf.report.page import write_report
from spl_tf.report.tested import TEACHER

CLASSES = ("run", "jump", "swim")


def _write_test(folder, confusion, *, precisions=None):
    """What `evaluate_model` leaves of videos of one class each, or only precisions of videos of several."""
    per_class = {}
    for index, name in enumerate(CLASSES):
        row = {"videos": 4, "average_precision": (precisions or (0.5,) * 3)[index]}
        if precisions is None:
            videos = int(np.sum(confusion[index]))
            row |= {"videos": videos, "accuracy": confusion[index][index] / videos if videos else None}
        per_class[name] = row
    metrics = {"per_class": per_class, "mean_average_precision": 0.5}
    if precisions is None:
        metrics |= {"top_1": float(np.trace(confusion) / np.sum(confusion)), "top_5": 1.0}
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "confusion.npy", np.array(confusion))
    write_json(folder / "metrics.json", metrics)


class TestedTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, made, parse):
        self.made, self.parse = made, parse

    def _page(self):
        return self.parse(write_report(self.made.folder, self.made.results).read_text("utf-8"))

    def _two_seeds(self):
        for seed, right in ((0, 4), (1, 2)):
            folder = self.made.run("none", [True], seed=seed)
            _write_test(folder / "test", [[3, 1, 0], [0, 4, 0], [0, 4 - right, right]])
            folder = self.made.run("spl_b", [True], seed=seed, classes=6)
            _write_test(folder / "test", [[1, 3, 0], [0, 4, 0], [0, 0, 4]])
            _write_test(
                self.made.folder / f"seed{seed}" / "teacher_test", [[2, 2, 0], [0, right, 4 - right], [0, 0, 4]]
            )

    def test_every_class_has_its_mean_over_the_seeds_the_hardest_first(self):
        self._two_seeds()
        section = self._page().one("section", id="tested")
        table = section.one("table", id="tested-table")
        self.assertEqual([cell.text for cell in table.one("thead").all("th")], ["Class", TEACHER, "none", "spl_b"])
        expected = {
            "run": ["50.0", "75.0", "25.0"],
            "swim": ["100.0", "75.0", "100.0"],
            "jump": ["75.0", "100.0", "100.0"],
        }
        self.assertEqual(table.cells(), expected)
        self.assertEqual(next(iter(table.cells())), "run")

    def test_confusion_matrices_are_of_all_seeds_together(self):
        self._two_seeds()
        section = self._page().one("section", id="tested")
        pictures = {node.attributes["data-confusion"]: node for node in section.all("details")}
        self.assertEqual(list(pictures), [TEACHER, "none", "spl_b"])
        self.assertEqual(pictures["none"].one("figcaption").text, "none: 83.3% of 24 right")
        content = pictures["spl_b"].one("img").attributes["src"].removeprefix("data:image/jpeg;base64,")
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
        self.assertGreater(picture.std(), 20)

    def test_the_teachers_result_is_told_beside_those_of_the_strategies(self):
        self._two_seeds()
        text = self._page().one("p", id="teacher-result").text
        # 10 and 8 of 12 videos.
        self.assertIn("top-1 75.0 ± 11.8 %", text)

    def test_videos_of_several_classes_have_average_precisions_and_no_matrix(self):
        folder = self.made.run(
            "none", [True], top_1=None, mean_average_precision=0.5, main_metric="mean_average_precision"
        )
        _write_test(folder / "test", None, precisions=(0.75, None, 0.25))
        section = self._page().one("section", id="tested")
        table = section.one("table", id="tested-table")
        self.assertEqual(table.cells(), {"swim": ["25.0"], "run": ["75.0"], "jump": ["-"]})
        self.assertIn("average precision", table.one("caption").text)
        self.assertEmpty(section.all("details"))

    def test_damaged_numbers_are_said_and_the_rest_is_shown(self):
        self._two_seeds()
        (self.made.folder / "seed0" / "none" / "test" / "metrics.json").write_text('{"per_class": [1]}')
        page = self._page()
        self.assertRegex(
            page.one("section", id="tested").text, "Not shown: .*none/test/metrics.json is damaged or not ours"
        )
        self.assertLen(page.all("p", id="teacher-result"), 1)

    def test_tests_of_earlier_versions_have_no_section(self):
        self.made.run("none", [True, False])
        page = self._page()
        self.assertEmpty(page.all("section", id="tested"))
        self.assertEmpty(page.all("p", id="teacher-result"))
        self.assertEqual(Recipe(self.made.folder, self.made.results).names, ["none"])


if __name__ == "__main__":
    tf.test.main()
