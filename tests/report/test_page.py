"""The whole page: well-formed, of one piece, whole where the recipe is and plain about what is missing."""

import base64
import itertools
import re
import shutil

import cv2
import numpy as np
import pytest
import tensorflow as tf

from spl_tf.files import write_text
from spl_tf.report.page import write_report
from spl_tf.report.training import duration

CLASSES = ["run", "jump", "swim"]
CONFUSION = np.array([[90, 40, 2], [7, 80, 30], [1, 0, 60]])
SECTIONS = [
    "results",
    "matrix",
    "fates",
    "coverage",
    "confused",
    "explained",
    "tail",
    "training",
    "timing",
    "configuration",
]


class PageTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, made, parse, data_of):
        self.made, self.parse, self.data_of = made, parse, data_of

    def _page(self):
        path = write_report(self.made.folder, self.made.results)
        self.assertEqual(path, self.made.folder / "report.html")
        text = path.read_text("utf-8")
        self.assertStartsWith(text, '<!DOCTYPE html>\n<html lang="en">')
        return self.parse(text)

    def _sections(self, page):
        return {one.attributes["id"]: one for one in page.one("main").all("section")}

    def _make(self, classes=CLASSES, **options):
        """A recipe of none and spl_m; its stages as the commands leave them."""
        self.made.web(classes, CONFUSION, **options)
        self.made.trained(self.made.folder / "seed0" / "teacher", [2.0, 1.0])
        none = self.made.run("none", [True, False, False])
        self.made.trained(none / "finetune", [1.5, 0.5], evaluations=[{"step": 2, "top_1": 0.75, "top_5": 1.0}])
        spl_m = self.made.labels("spl_m", [True, True, False], num_labels=5)
        self.made.trained(spl_m / "pretrain", [3.0, 2.5, 2.0], seconds=90.0, train_steps=[2, 3])
        self.made.trained(spl_m / "finetune", [1.0, 0.25])
        write_text(spl_m / "pretrain" / "operative_config.gin", "a.b = '<c>'\n")

    def test_a_whole_recipe_has_every_section_and_a_link_to_each(self):
        self._make(records=True)
        page = self._page()
        sections = self._sections(page)
        self.assertEqual(list(sections), SECTIONS)
        links = [link.attributes["href"] for link in page.one("nav").all("a")]
        self.assertEqual(links, [f"#{name}" for name in SECTIONS])
        (missing,) = page.all("p", class_="note missing")  # No network was trained for this test.
        self.assertIn("spl_m/pretrain/model.json", missing.text)
        self.assertEqual(
            sections["configuration"].one("details", id="config-pretrain").one("code").text, "a.b = '<c>'\n"
        )
        # Identities are unique, and what refers to one finds it.
        ids = [node.attributes["id"] for node in page.all() if "id" in node.attributes]
        self.assertLen(set(ids), len(ids))
        for node in page.all():
            for name in ("aria-labelledby", "aria-describedby"):
                self.assertIn(node.attributes.get(name, ids[0]), ids)
        self.assertTrue(all("alt" in image.attributes for image in page.all("img")))
        levels = [int(node.tag[1]) for node in page.all() if re.fullmatch("h[1-6]", node.tag)]
        self.assertEqual(levels[0], 1)
        self.assertTrue(all(b - a <= 1 for a, b in itertools.pairwise(levels)))

    def test_the_page_loads_nothing(self):
        self._make(records=True)
        page = self._page()
        for node in page.all():
            for name in ("src", "href", "srcset", "data", "action"):
                self.assertRegex(node.attributes.get(name, "#"), "^(#|data:)")
            self.assertFalse([name for name in node.attributes if name.startswith("on")])
        for tag in ("style", "script"):
            for node in page.all(tag):
                self.assertNotRegex(node.text, r"url\(|@import|https?:|fetch\(|import\(|innerHTML")
        self.assertIn(
            "default-src 'none'", page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
        )

    def test_names_cannot_break_the_page(self):
        names = ['<b>&"x', "</script><script>alert(1)</script>", "'-->"]
        self._make(names, records=True)
        page = self._page()
        self.assertLen(page.all("script"), 2)
        header = page.one("table", id="matrix-grid").one("thead")
        self.assertEqual([cell.text for cell in header.all("th")], names)
        self.assertEqual(self.data_of(page)["classes"], names)
        self.assertIn(f"{names[0]} queried, {names[1]} seen", page.one("section", id="confused").text)
        cell = page.one("td", data_cell="0,1")
        self.assertStartsWith(cell.attributes["aria-label"], f"{names[0]} queried, {names[1]} seen: 40 clips")
        self.assertIn(f"kept as class {names[0]}|{names[1]}", page.one("table", id="largest-cells").text)

    def test_strips_show_clips_of_their_cells(self):
        self._make(records=True)
        articles = self._page().one("section", id="confused").all("article")
        # By falling count; the clips of a cell follow each other from `start` on.
        cells = {"0,1": (90, 40), "1,2": (219, 30), "1,0": (132, 7), "0,2": (130, 2), "2,0": (249, 1)}
        self.assertEqual([article.attributes["data-cell"] for article in articles], list(cells))
        for article, (start, count) in zip(articles, cells.values(), strict=True):
            figures = article.all("figure")
            self.assertLen(figures, min(3, count))
            for figure in figures:
                number = int(re.match(r"clip(\d+), confidence 0.50", figure.text)[1])
                self.assertBetween(number, start, start + count - 1)
                content = figure.one("img").attributes["src"].removeprefix("data:image/jpeg;base64,")
                picture = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
                self.assertEqual(picture.shape, (84, 336, 3))
                self.assertAllClose(picture[42, 56::112, 0], [0, 60, 120], atol=3)

    def test_curves_and_their_end_are_those_of_the_stages(self):
        self._make()
        section = self._sections(self._page())["training"]
        charts = [figure.attributes["id"] for figure in section.all("figure")]
        expected = ["teacher-loss", "pretrain-loss", "finetune-loss", "finetune-accuracy"]
        self.assertEqual(charts, [f"curve-{name}-seed0" for name in expected])
        lines = section.one("figure", id="curve-finetune-loss-seed0").all("polyline")
        heights = [[float(point.split(",")[1]) for point in line.attributes["points"].split()] for line in lines]
        # From 0 at 214 units to the largest loss, 1.5, at 12.
        self.assertAllClose((214 - np.array(heights)) / 202 * 1.5, [[1.5, 0.5], [1.0, 0.25]], atol=0.001)
        (mark,) = section.one("g", data_series="none, validation").all("circle")
        self.assertAllClose((214 - float(mark.attributes["cy"])) / 202, 0.75, atol=0.001)
        rows = section.one("table", id="stages-table-seed0").one("tbody").all("tr")
        self.assertEqual(
            [[cell.text for cell in row.children] for row in rows[:2]],
            [
                ["teacher", "teacher", "2", "12", "1.000", "50.0", "the last few", "float32", "1 min 00 s"],
                ["pretrain", "spl_m", "3", "12", "2.000", "50.0", "2 to 3", "float32", "1 min 30 s"],
            ],
        )

    def test_other_seeds_are_folded_away(self):
        for seed in (0, 1):
            self.made.trained(self.made.run("none", [True], seed=seed) / "finetune", [1.0 + seed])
        section = self._sections(self._page())["training"]
        folded = section.one("details", id="curves-seed1")
        self.assertLen(section.all("figure"), 2)
        self.assertLen(folded.all("figure", id="curve-finetune-loss-seed1"), 1)

    def test_times_are_those_of_the_steps(self):
        self._make()
        self.made.step(self.made.folder / "shards" / "web", 3725.0)
        self.made.step(self.made.folder / "shards" / "web.replaced-1", 1.0)  # Set aside by --replace_changed.
        section = self._sections(self._page())["timing"]
        self.assertEqual(
            section.one("table", id="timing-shared").cells(),
            {"shards: web": ["1 h 02 min"], "teacher": ["1 min 00 s"]},
        )
        rows = section.one("table", id="timing-table").cells()
        self.assertEqual(rows["spl_m"], ["-", "-", "1 min 30 s", "1 min 00 s", "2.0 s", "2 min 32 s"])

    def test_arms_of_several_labels_and_of_none_have_their_times_and_measures(self):
        """Their web set needs no teacher, and what `shares` keeps apart lies in a folder of its own."""
        self.made.step(self.made.folder / "shards" / "web", 4.0)
        self.made.step(self.made.folder / "other" / "shards" / "web", 5.0)
        own = self.made.run("pcl_own", [True, False])
        self.made.trained(own / "selfsup", [3.0, 2.0], seconds=30.0, train={"loss": 2.0, "pretext_accuracy": 0.25})
        self.made.trained(own / "pretrain", [3.0, 2.0], seconds=20.0, train={"loss": 2.0, "hit_at_1": 0.75})
        self.made.trained(own / "finetune", [3.0, 2.0], seconds=10.0)
        sections = self._sections(self._page())
        timing = sections["timing"]
        self.assertEqual(
            timing.one("table", id="timing-shared").cells(),
            {"shards: web": ["4.0 s"], "shards of other: web": ["5.0 s"]},
        )
        header = [cell.text for cell in timing.one("table", id="timing-table").one("thead").all("th")]
        self.assertEqual(header[1:], ["selfsup", "predictions", "labels", "pretrain", "finetune", "test", "total"])
        (row,) = timing.one("table", id="timing-table").cells().values()
        self.assertEqual(row, ["30.0 s", "-", "-", "20.0 s", "10.0 s", "2.0 s", "1 min 02 s"])
        ends = sections["training"].one("table", id="stages-table-seed0")
        accuracies = [row.children[5].text for row in ends.one("tbody").all("tr")]
        self.assertEqual(accuracies, ["-", "75.0", "50.0"])
        self.assertIn("with @multi_label accuracy is the share of clips whose highest", ends.one("caption").text)

    def test_durations(self):
        seconds = (None, 0.04, 59.94, 59.96, 3599.4, 3599.6, 90061.0)
        texts = ["-", "0.0 s", "59.9 s", "1 min 00 s", "59 min 59 s", "1 h 00 min", "25 h 01 min"]
        self.assertEqual([duration(value) for value in seconds], texts)

    def test_without_a_web_set_there_is_no_matrix_and_a_line_says_so(self):
        self.made.run("none", [True, False])
        page = self._page()
        sections = self._sections(page)
        self.assertEqual(list(sections), ["results", "matrix", "training", "timing", "configuration"])
        self.assertIn("no strategy of this recipe was pre-trained", sections["matrix"].text)
        self.assertIsNone(self.data_of(page))
        self.assertEmpty(page.all("p", class_="note missing"))

    def test_what_is_gone_is_said_and_the_rest_is_shown(self):
        self._make()  # Without records: the shards were deleted to make room.
        sections = self._sections(self._page())
        self.assertEqual(list(sections), SECTIONS)
        self.assertIn("3 of 3 drawn clips can't be read", sections["confused"].text)
        self.assertEmpty(sections["confused"].all("img"))
        shutil.rmtree(self.made.folder / "seed0" / "predictions")
        sections = self._sections(self._page())
        self.assertEqual(list(sections), ["results", "matrix", "tail", "training", "timing", "configuration"])
        self.assertRegex(sections["matrix"].text, r"Not shown: \S.*predictions\.json does not exist")
        shutil.rmtree(self.made.folder / "seed0" / "spl_m" / "labels")
        (self.made.folder / "seed0" / "teacher" / "step.json").write_text("{}")
        (self.made.folder / "seed0" / "teacher" / "metrics.json").write_text("{")
        sections = self._sections(self._page())
        for name in ("matrix", "tail", "training", "timing"):
            self.assertIn("Not shown: ", sections[name].text)
        self.assertEqual(sections["results"].one("tr", data_row="none").all("td")[1].text, "33.3")

    def test_numbers_of_another_form_are_said_to_be_damaged(self):
        path = self.made.folder / "seed0" / "none" / "finetune" / "metrics.json"
        self.made.trained(self.made.run("none", [True, False]) / "finetune", [1.5, 0.5])
        for content in ("[]", '{"train": []}', path.read_text().replace("12", "null")):
            path.write_text(content)
            section = self._sections(self._page())["training"]
            self.assertRegex(section.text, r"Not shown: \S.*none/finetune/metrics\.json is damaged or not ours")

    @pytest.mark.slow
    def test_two_hundred_classes_make_a_page_of_a_few_megabytes(self):
        classes = [f"class number {number} of many" for number in range(200)]
        self.made.web(classes, np.random.default_rng(0).integers(0, 3, (200, 200)))
        for strategy in ("weak", "spl", "spl_b", "spl_m", "spl_d"):
            self.made.labels(strategy, [True])
        page = self._page()
        self.assertLess((self.made.folder / "report.html").stat().st_size, 3_000_000)
        self.assertLess(len(page.all()), 2_000)


if __name__ == "__main__":
    tf.test.main()
