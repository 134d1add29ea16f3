"""TensorBoard in a browser, over the logs of two stages: what a person finds under which name."""

import re
import subprocess
import sys
import time

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from spl_tf import configuration
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.training.board import Board
from spl_tf.training.hooks import LoopReport
from spl_tf.training.objectives.single_label import single_label

RUNS = ("seed0/spl_b/pretrain/logs", "seed0/weak/pretrain/logs")
# The text of a page with that of its components' shadows.
_WHOLE_TEXT = """
const texts = [];
const read = (node) => {
  if (node.nodeType === Node.TEXT_NODE) texts.push(node.textContent);
  if (node.shadowRoot) read(node.shadowRoot);
  if (!["SCRIPT", "STYLE", "NOSCRIPT"].includes(node.nodeName)) node.childNodes.forEach(read);
};
read(document.body);
return texts.join(" ");
"""
# Runs and tags of the pictures that are loaded.
_PICTURES = """
const found = [];
const read = (node, loader) => {
  if (node.nodeName === "TF-IMAGE-LOADER") loader = node;
  if (node.nodeName === "IMG" && node.naturalWidth > 10 && loader) found.push(`${loader.run}: ${loader.tag}`);
  if (node.shadowRoot) read(node.shadowRoot, loader);
  node.childNodes.forEach((child) => read(child, loader));
};
read(document.body, null);
return found;
"""
# Opens the groups of tags that are folded away.
_UNFOLD = """
const read = (node) => {
  if (node.nodeName === "TF-CATEGORY-PAGINATED-VIEW" && !node.opened) node.shadowRoot.querySelector("button").click();
  if (node.shadowRoot) read(node.shadowRoot);
  node.childNodes.forEach(read);
};
read(document.body);
"""


def _write_logs(folder):
    """What two stages show of themselves, without training."""
    generator = np.random.default_rng(0)
    inputs = keras.Input((4, 8, 8, 3), name="clips")
    network = keras.Model(inputs, keras.layers.GlobalAveragePooling3D(name="pooling")(inputs))
    for run in RUNS:
        with Board(folder / run, "pretrain", ("run", "jump"), single_label(), 30, show_at={2}) as board:
            board.describe(network, np.array([30, 10]), 40, ("run", "jump"), stage="pretrain", seed=0)
            for step in (1, 2, 3, 4):
                clips = generator.normal(size=(2, 4, 8, 8, 3)).astype(np.float32)
                targets = {"labels": np.array([1, 0])}
                board.after(LoopReport(step, 1, 1.0, {"loss": 1.0 / step}, {}, 0.0, clips, targets))
            confusion = np.array([[3, 1], [1, 3]])
            board.evaluated(4, Evaluation({"top_1": 0.75}, {"accuracy": np.array([0.75, 0.75])}, confusion))


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a TensorBoard over the logs."""
    folder = tmp_path_factory.mktemp("runs")
    configuration.parse([], ["pretrain/train_stage.epochs = 7", "train_stage.batch_size = 4"])
    _write_logs(folder)
    gin.clear_config()
    arguments = [f"--logdir={folder}", "--port=0", "--host=127.0.0.1", "--load_fast=false", "--reload_interval=1"]
    server = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        for line in server.stderr:
            if found := re.search(rb"http://127\.0\.0\.1:\d+", line):
                yield found[0].decode()
                break
        else:
            pytest.fail("TensorBoard did not start")
    finally:
        server.kill()
        server.wait()
        server.stderr.close()


@pytest.mark.pictures
class TensorBoardTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, browser, address):
        self.browser, self.address = browser, address

    def _wait(self, what, script, is_there):
        """Until it is there; a page is built by its scripts."""
        for _ in range(120):
            found = self.browser.execute_script(script)
            if is_there(found):
                return found
            time.sleep(0.5)
        self.fail(f"{what} did not come; the page has: {str(found)[:2000]}")

    def _open(self, tab, *texts):
        self.browser.set_window_size(1400, 1200)
        self.browser.get("about:blank")
        self.browser.get(f"{self.address}/#{tab}")
        self._wait(texts, _WHOLE_TEXT, lambda page: all(text in page for text in texts))

    def test_scalars_of_both_stages_are_under_the_names_of_their_folders(self):
        self._open("scalars", *RUNS, "train", "throughput", "validation")

    def test_pictures_show_clips_confusion_and_the_long_tail(self):
        self._open("images", *RUNS, "input", "labels", "validation")
        self.browser.execute_script(_UNFOLD)
        expected = {
            f"{run}: {tag}" for run in RUNS for tag in ("input/clips", "labels/long_tail", "validation/confusion")
        }
        self._wait(expected, _PICTURES, lambda found: expected <= set(found))

    def test_texts_show_the_configuration_and_the_network(self):
        self._open("text", "configuration", "network")

    def test_hyper_parameters_are_a_table_with_a_row_for_each_run_though_their_values_are_equal(self):
        self._open("hparams", "train_stage.epochs", "train_stage.batch_size", "seed", "stage", *RUNS)


if __name__ == "__main__":
    tf.test.main()
