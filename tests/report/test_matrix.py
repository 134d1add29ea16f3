"""The matrix: cells, what became of them, and its size with many classes."""

import base64

import cv2
import numpy as np
import pytest
import tensorflow as tf

from spl_tf.report.cells import off_diagonal, read_matrix
from spl_tf.report.collect import Recipe
from spl_tf.report.matrix import matrix_section

CLASSES = ["run", "jump", "swim"]
# The example of spl_tf.labels.labellers.
CONFUSION = np.array([[90, 40, 2], [7, 80, 30], [1, 0, 60]])
STRATEGIES = {"weak": {}, "teacher": {}, "agreement": {}, "spl": {}, "spl_b": {}, "spl_m": {"num_labels": 5}}


class MatrixTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, made, parse, data_of):
        self.made, self.parse, self.data_of = made, parse, data_of

    def _make(self, strategies=STRATEGIES):
        self.made.web(CLASSES, CONFUSION)
        for strategy, options in strategies.items():
            self.made.labels(strategy, [True, False], **options)
        return read_matrix(Recipe(self.made.folder, self.made.results))

    def test_cells_are_counted_and_named(self):
        page = self.parse(matrix_section(self._make()).markup)
        grid = page.one("table", id="matrix-grid", role="grid")
        self.assertEqual([cell.text for cell in grid.one("thead").all("th")], CLASSES)
        self.assertEqual([row.all("th")[0].text for row in grid.one("tbody").all("tr")], CLASSES)
        cells = {cell.attributes["data-cell"]: cell.attributes for cell in grid.all("td", role="gridcell")}
        self.assertLen(cells, 9)
        self.assertEqual(cells["0,1"]["aria-label"], "run queried, jump seen: 40 clips, 30.3% of the query")
        self.assertEqual(cells["2,1"]["aria-label"], "swim queried, jump seen: 0 clips, 0.0% of the query")
        self.assertEqual(cells["2,0"]["aria-label"], "swim queried, run seen: 1 clip, 1.6% of the query")
        self.assertEqual([cell["tabindex"] for cell in cells.values()], ["0"] + ["-1"] * 8)
        # The colour's strength is the root of the share.
        self.assertEqual(cells["0,1"]["style"], f"--heat-share:{(40 / 132) ** 0.5:.2f}")
        self.assertNotIn("style", cells["2,1"])

    def test_what_became_of_a_cell(self):
        matrix = self._make()
        self.assertAllEqual(matrix.confusion, CONFUSION)
        fates = {of.name: of for of in matrix.fates}
        self.assertEqual(
            {name: [str(of.fate(*cell)) for cell in ((0, 0), (0, 1), (1, 0))] for name, of in fates.items()},
            {
                "weak": ["kept as class run", "kept as class run", "kept as class jump"],
                "teacher": ["kept as class run", "kept as class jump", "kept as class run"],
                "agreement": ["kept as class run", "discarded", "discarded"],
                "spl": ["kept as class run", "kept as class run|jump", "kept as class jump|run"],
                "spl_b": ["kept as class run", "kept as class run|other", "kept as class jump|other"],
                "spl_m": ["kept as class run", "kept as class run|jump", "merged into jump"],
            },
        )

    def test_the_table_lists_the_fullest_cells_off_the_diagonal(self):
        page = self.parse(matrix_section(self._make({"spl_d": {"num_labels": 4}})).markup)
        rows = page.one("table", id="largest-cells").one("tbody").all("tr")
        self.assertEqual(
            [[cell.text for cell in row.children] for row in rows],
            [
                ["run", "jump", "40", "30.3", "kept as class run|jump"],
                ["jump", "swim", "30", "25.6", "discarded"],
                ["jump", "run", "7", "6.0", "discarded"],
                ["run", "swim", "2", "1.5", "discarded"],
                ["swim", "run", "1", "1.6", "discarded"],
            ],
        )

    def test_the_script_s_numbers_are_the_matrix_and_the_fates(self):
        matrix = self._make()
        data = self.data_of(self.parse(matrix_section(matrix).markup))
        self.assertEqual(data["classes"], CLASSES)
        self.assertAllEqual(_unpacked(data["counts"]), CONFUSION)
        for of, fates in zip(data["strategies"], matrix.fates, strict=True):
            self.assertEqual((of["name"], of["kept"]), (fates.name, None))
            codes = _unpacked(of["codes"])
            for weak, teacher in np.argwhere(CONFUSION):
                kind, name = of["fates"][codes[weak, teacher]]
                name = f"{CLASSES[weak]}|{CLASSES[teacher]}" if name is None else name
                expected = fates.fate(weak, teacher)
                self.assertEqual((kind, name), (expected.kind, expected.name))

    def test_clips_left_out_for_low_confidence_are_counted(self):
        """Of the clips of every cell the first is unsure; a cell of a single clip is discarded whole."""
        first = np.cumsum(CONFUSION.ravel())[:-1] * (CONFUSION.ravel()[1:] > 0)
        confidence = np.full(CONFUSION.sum(), 0.9)
        confidence[[0, *first[first > 0]]] = 0.1
        self.made.web(CLASSES, CONFUSION, confidence=confidence)
        self.made.labels("spl", [True], min_confidence=0.5)
        matrix = read_matrix(Recipe(self.made.folder, self.made.results))
        self.assertAllEqual(matrix.confusion, CONFUSION)
        self.assertAllEqual(matrix.fates[0].kept, np.maximum(CONFUSION - 1, 0))
        self.assertEqual(str(matrix.fates[0].fate(2, 0)), "discarded")
        page = self.parse(matrix_section(matrix).markup)
        (of,) = self.data_of(page)["strategies"]
        self.assertAllEqual(_unpacked(of["kept"]), np.maximum(CONFUSION - 1, 0))
        rows = page.one("table", id="largest-cells").one("tbody").all("tr")
        self.assertEqual(rows[0].children[-1].text, "kept as class run|jump; 1 clip of low confidence discarded")
        self.assertEqual([row.children[-1].text for row in rows[-1:]], ["discarded"])

    def test_what_is_left_out_of_a_merged_cell_is_told_apart_from_what_is_merged(self):
        """Half of the 40 clips of "run" in which "jump" is seen are unsure; the cell is merged."""
        confidence = np.full(CONFUSION.sum(), 0.9)
        confidence[90:110] = 0.1
        self.made.web(CLASSES, CONFUSION, confidence=confidence)
        self.made.labels("spl_m", [True], num_labels=3, min_confidence=0.5)
        (fates,) = read_matrix(Recipe(self.made.folder, self.made.results)).fates
        self.assertEqual(str(fates.fate(0, 1)), "merged into run; 20 clips of low confidence discarded")
        self.assertEqual(str(fates.fate(1, 2)), "merged into jump")

    def test_two_hundred_classes_are_one_picture_and_few_elements(self):
        classes = [f"class number {number} of many" for number in range(200)]
        confusion = np.random.default_rng(0).integers(0, 3, (200, 200))
        confusion += np.diag(np.arange(200))
        self.made.web(classes, confusion)
        for strategy in ("weak", "spl", "spl_b", "spl_m"):
            self.made.labels(strategy, [True])
        text = matrix_section(read_matrix(Recipe(self.made.folder, self.made.results))).markup
        page = self.parse(text)
        self.assertLess(len(text), 2_000_000)
        self.assertLess(len(page.all()), 1_000)
        self.assertEmpty(page.all(id="matrix-grid"))
        box = page.one("div", id="matrix-overview", tabindex="0", data_size="200")
        content = base64.b64decode(box.one("img").attributes["src"].removeprefix("data:image/png;base64,"))
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        shares = confusion / confusion.sum(axis=1, keepdims=True)
        self.assertAllClose(picture[..., 3] / 255.0, np.sqrt(shares), atol=0.5 / 255)
        # The key has the picture's colour, not the page's.
        red, green, blue = picture[0, 0, 2::-1]
        self.assertEqual(page.one("ul", class_="scale").attributes["style"], f"--heat: {red} {green} {blue}")
        data = self.data_of(page)
        self.assertAllEqual(_unpacked(data["counts"]), confusion)
        most = page.one("table", id="largest-cells").one("tbody").all("tr")
        self.assertEqual(int(most[0].children[2].text), off_diagonal(confusion).max())
        self.assertLen(most, 20)

    def _page_of(self, num_classes):
        self.made.web([f"class {number}" for number in range(num_classes)], 300 * np.eye(num_classes, dtype=int))
        self.made.labels("weak", [True])
        return self.parse(matrix_section(read_matrix(Recipe(self.made.folder, self.made.results))).markup)

    def test_five_hundred_classes_can_be_read_out_and_more_say_that_they_can_t(self):
        page = self._page_of(500)
        self.assertAllEqual(_unpacked(self.data_of(page)["counts"]), 300 * np.eye(500))
        self.assertEqual(page.one("div", id="matrix-overview").attributes["tabindex"], "0")
        self.assertNotIn("can't be pointed at", page.text)
        page = self._page_of(501)
        self.assertIsNone(self.data_of(page))
        self.assertNotIn("tabindex", page.one("div", id="matrix-overview").attributes)
        self.assertIn("Above 500 classes cells can't be pointed at", page.text)


def _unpacked(text):
    """A square of the numbers, which have 1, 2 or 4 bytes; the tests' matrices are of 3, 200 and 500 classes."""
    content = base64.b64decode(text)
    (kind, size), *others = [
        (f"<u{width}", size) for width in (1, 2, 4) for size in (3, 200, 500) if len(content) == width * size * size
    ]
    assert not others
    return np.frombuffer(content, kind).reshape(size, size)


if __name__ == "__main__":
    tf.test.main()
