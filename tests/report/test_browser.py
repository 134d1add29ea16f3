"""The page as a person has it: in a browser, by pointer and keyboard, on a phone, at night."""

import base64
import re

import cv2
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.report.page import write_report

CLASSES = ["run", "jump", "swim"]
CONFUSION = np.array([[90, 40, 2], [7, 80, 30], [1, 0, 60]])
DESKTOP, WINDOW, PHONE = (1280, 900), (800, 600), (390, 844)
# Whether what has the focus is on top at its middle.
_IN_SIGHT = """
const { x, y, width, height } = arguments[0].getBoundingClientRect();
return arguments[0].parentNode.contains(document.elementFromPoint(x + width / 2, y + height / 2));
"""


def _color(text, paper=(255, 255, 255)):
    """Red, green, blue of "rgb(r, g, b)", of "rgba(r, g, b, a)" on a paper."""
    *color, alpha = [float(number) for number in re.findall(r"[\d.]+", text)] + [1.0] * (not text.startswith("rgba"))
    return alpha * np.array(color) + (1 - alpha) * np.array(paper)


def _luminance(color):
    """Relative luminance (WCAG 2)."""
    shares = color / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def _contrast(first, second):
    low, high = sorted([_luminance(first), _luminance(second)])
    return (high + 0.05) / (low + 0.05)


class ReportInABrowserTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, made, browser):
        self.made, self.browser = made, browser

    def setUp(self):
        super().setUp()
        self.made.web(CLASSES, CONFUSION, records=True)
        self.made.trained(self.made.folder / "seed0" / "teacher", [2.0, 1.0])
        self.made.trained(self.made.run("none", [True, False, False]) / "finetune", [1.5, 0.5])
        spl_m = self.made.labels("spl_m", [True, True, False], num_labels=4)
        self.made.trained(spl_m / "pretrain", [3.0, 2.5, 2.0])
        self.made.trained(spl_m / "finetune", [1.0, 0.25])
        self.path = write_report(self.made.folder, self.made.results)

    def _open(self, size=DESKTOP, scheme="light"):
        self.browser.set_window_size(*size)
        # Without smooth scrolling, for which the driver waits long.
        media = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in media.items()]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.browser.get(self.path.as_uri())
        self.addCleanup(self.browser.get, "about:blank")

    def _many_classes(self, num_classes):
        """Another recipe: every query has clips of its own class and, fewer, of the next."""
        self.made.folder, self.made.results = self.made.folder / f"of {num_classes}", []
        confusion = np.eye(num_classes, dtype=int) * 3
        confusion[np.arange(num_classes - 1), np.arange(1, num_classes)] = 1
        confusion[0, :2] = 4, 0
        self.made.web([f"playing the instrument {number}" for number in range(num_classes)], confusion)
        for strategy in ("weak", "agreement", "spl", "spl_b", "spl_m", "spl_d"):
            self.made.labels(strategy, [True, False])
        self.path = write_report(self.made.folder, self.made.results)

    def _one(self, selector):
        return self.browser.find_element("css selector", selector)

    def _style(self, selector, name):
        return self._one(selector).value_of_css_property(name)

    def test_tables_and_figures_are_seen(self):
        self._open()
        rows = self.browser.find_elements("css selector", "#results-table tbody tr")
        self.assertEqual([row.get_attribute("data-row") for row in rows], ["none", "spl_m"])
        self.assertEqual(self._one("#results-table [data-row=spl_m] [data-column=top-1]").text, "66.7")
        for figure in self.browser.find_elements("css selector", "figure svg, figure img"):
            if figure.is_displayed():  # Others are folded away.
                self.assertGreater(figure.size["height"], 20)
        loaded = "return [...document.images].every(image => image.complete && image.naturalWidth > 0)"
        self.assertTrue(self.browser.execute_script(loaded))
        self.assertLen(self.browser.find_elements("css selector", "#coverage-chart, #tail-chart"), 2)
        self.assertEmpty([entry for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"])

    def test_a_cell_tells_its_clips_and_fate_under_the_pointer(self):
        self._open()
        chains = pytest.importorskip("selenium.webdriver").ActionChains
        chains(self.browser).move_to_element(self._one("[data-cell='1,2']")).perform()
        readout = self._one("#cell-readout").text
        self.assertIn("jump queried, swim seen", readout)
        self.assertIn("30 clips, 25.6 % of the query", readout)
        # Four classes: the three of the diagonal and the fullest other cell, 40 clips of "run" in which jump is seen.
        self.assertIn("spl_m: merged into jump", readout)
        chains(self.browser).move_to_element(self._one("[data-cell='0,1']")).perform()
        self.assertIn("spl_m: kept as class run|jump", self._one("#cell-readout").text)

    def test_the_matrix_is_one_stop_of_the_tab_key_and_arrows_move_in_it(self):
        self._open()
        keys = pytest.importorskip("selenium.webdriver").Keys
        self.browser.execute_script("document.querySelector('#matrix h2').scrollIntoView()")
        stops = 0
        while self.browser.switch_to.active_element.get_attribute("data-cell") is None:
            self.browser.switch_to.active_element.send_keys(keys.TAB)
            stops += 1
            self.assertLess(stops, 40, "the tab key never came to the matrix")
        for key, cell in (
            (keys.ARROW_RIGHT, "0,1"),
            (keys.ARROW_DOWN, "1,1"),
            (keys.END, "1,2"),
            (keys.ARROW_RIGHT, "1,2"),
        ):
            self.browser.switch_to.active_element.send_keys(key)
            focused = self.browser.switch_to.active_element
            self.assertEqual(focused.get_attribute("data-cell"), cell)
            self.assertEqual(self._one("#cell-readout").get_attribute("data-cell"), cell)
        self.browser.switch_to.active_element.send_keys(keys.TAB)
        self.assertIsNone(self.browser.switch_to.active_element.get_attribute("data-cell"))

    @parameterized.product(size=(DESKTOP, PHONE), scheme=("light", "dark"))
    def test_nothing_is_cut_off_and_all_can_be_read(self, size, scheme):
        self._open(size, scheme)
        page = self.browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        self.assertLessEqual(page[0], page[1])
        paper = _color(self._style("body", "background-color"))
        self.assertEqual(_luminance(paper) < 0.2, scheme == "dark")
        for selector in ("h1", "p", "nav a", "#results-table td", "#results-table th", "caption", "footer"):
            self.assertGreater(_contrast(_color(self._style(selector, "color")), paper), 4.5, selector)
        for cell in self.browser.find_elements("css selector", "#matrix-grid [data-cell]"):
            ink, fill = (_color(cell.value_of_css_property(name), paper) for name in ("color", "background-color"))
            if cell.text:
                self.assertGreater(_contrast(ink, fill), 4.5, cell.get_attribute("data-cell"))

    @parameterized.product(size=(DESKTOP, WINDOW, PHONE), num_classes=(30, 61))
    @pytest.mark.slow
    def test_the_cell_with_the_focus_and_its_readout_are_in_sight(self, size, num_classes):
        keys = pytest.importorskip("selenium.webdriver").Keys
        self._many_classes(num_classes)
        self._open(size)
        matrix = self._one("#matrix-grid [tabindex='0']" if num_classes == 30 else "#matrix-overview")
        matrix.send_keys(keys.ARROW_DOWN)
        for key in [keys.ARROW_DOWN] * 20 + [keys.END] + [keys.ARROW_UP] * 18 + [keys.HOME]:
            self.browser.switch_to.active_element.send_keys(key)
            focused = self.browser.switch_to.active_element
            cell = focused if num_classes == 30 else self._one("#matrix-overview .cross")
            where = self._one("#cell-readout").get_attribute("data-cell")
            for seen in (cell, self._one("#cell-readout .cell-count")):
                self.assertTrue(self.browser.execute_script(_IN_SIGHT, seen), where)
        self.assertEqual(where, "3,0")

    @parameterized.parameters("light", "dark")
    def test_the_key_of_an_overview_has_the_colours_of_its_picture(self, scheme):
        self._many_classes(61)
        self._open(DESKTOP, scheme)
        paper = _color(self._style("body", "background-color"))
        key = self.browser.find_elements("css selector", ".scale li")
        fills = {one.text: _color(one.value_of_css_property("background-color"), paper) for one in key}
        for one in key:
            self.assertGreater(_contrast(_color(one.value_of_css_property("color"), paper), fills[one.text]), 4.5)
        picture = self._one("#matrix-overview img")
        content = np.frombuffer(base64.b64decode(picture.screenshot_as_base64), np.uint8)
        pixels = cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1]
        cell = pixels.shape[0] / 61
        # Query 0 has all its clips in its own class, query 1 a quarter in the next.
        self.assertAllClose(pixels[int(0.5 * cell), int(0.5 * cell)], fills["100%"], atol=2)
        self.assertAllClose(pixels[int(1.5 * cell), int(2.5 * cell)], fills["25%"], atol=2)

    def test_results_of_six_strategies_and_two_seeds_fit_a_desktop(self):
        rng = np.random.default_rng(0)
        self.made.folder, self.made.results = self.made.folder / "of two seeds", []
        for seed in (0, 1):
            self.made.run("none", rng.random(200) < 0.2, seed=seed, mean_average_precision=0.5)
            for strategy in ("weak", "agreement", "spl_b", "spl_m", "spl_d"):
                web = {"classes": 1234, "clips": 234567, "noise_ratio": 0.6, "samples_cover_ratio": 0.4 + 0.2 * seed}
                right = rng.random(200) < 0.4 + 0.2 * seed
                self.made.run(strategy, right, seed=seed, top_5=0.8 + 0.1 * seed, mean_average_precision=0.6, **web)
        self.path = write_report(self.made.folder, self.made.results)
        self._open()
        self.assertLen(self.browser.find_elements("css selector", "#results-table tbody tr"), 6)
        box = "const box = document.querySelector('#results .scroll'); return [box.scrollWidth, box.clientWidth]"
        scrolled, client = self.browser.execute_script(box)
        self.assertLessEqual(scrolled, client)

    def test_the_fullest_cells_have_room_for_words_on_a_phone(self):
        self._many_classes(30)
        self._open(PHONE)
        for cell in self.browser.find_elements("css selector", "#largest-cells tbody tr:first-child > :not(.number)"):
            self.assertGreater(cell.size["width"], 130, cell.text)
        (row,) = self.browser.find_elements("css selector", "#largest-cells tbody tr:first-child")
        self.assertLess(row.size["height"], 150)

    def test_letters_of_a_column_s_name_lie_on_their_side_in_every_script(self):
        self._open()
        self.assertEqual(self._style("#matrix-grid thead span", "text-orientation"), "sideways")


if __name__ == "__main__":
    tf.test.main()
