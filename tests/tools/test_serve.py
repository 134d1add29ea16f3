"""The client and the load tool against a loopback server: evaluation's scores, and faults in one line."""

import pathlib
import socket

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.dataset import load_dataset
from spl_tf.inference.scores import score_clips
from spl_tf.inference.trained_model import load_trained
from tests.commands import run_command
from tests.tools import served_case
from tests.tools.served_case import CLASSES, CLIP_INPUT
from tools.serve import client, load
from tools.serve.request import make_request


class ServeTest(served_case.ServedCase):
    @pytest.fixture(scope="class")
    def evaluated(self, served):
        """Scores [2, N] of the video's clips by evaluation's path."""
        trained, dataset = load_trained(served[0] / "trained"), load_dataset(served[0] / "shards")
        strategy = tf.distribute.get_strategy()
        options = {"batch_size": 2, "num_views": 1, "description": "evaluate"}
        clips = score_clips(trained.network, dataset, CLIP_INPUT, strategy, **options)
        return np.stack([clip.scores for clip in sorted(clips, key=lambda clip: clip.clip_id)])

    @pytest.fixture(autouse=True)
    def _evaluated(self, served, evaluated):
        self.evaluated = evaluated
        self.model_json = served[0] / "spl_tf" / "1" / "assets.extra" / "model.json"

    def _argv(self, protocol="rest", *arguments):
        return [
            f"--video={self.folder / 'blots.mp4'}",
            f"--protocol={protocol}",
            f"--server={self.addresses.rest if protocol == 'rest' else self.addresses.grpc}",
            f"--model_json={self.model_json}",
            "--clip_seconds=1",
            *arguments,
        ]

    def _assert_one_line(self, argv, words, command=client):
        code, out, err = run_command(command, *argv)
        self.assertEqual((code, out), (2, ""))
        self.assertRegex(err, rf"^spl_tf: .*{words}.*\n$")

    @parameterized.product(protocol=("rest", "grpc"), signature=("frames", "records", "serving_default"))
    def test_scores_are_those_of_evaluation_on_the_shards_clip(self, protocol, signature):
        self.require_client(protocol)
        window = 0 if signature == "frames" else 1  # The shard's clips begin at 0 and 1 seconds.
        client.FLAGS(
            ["client", *self._argv(protocol, f"--signature={signature}", f"--start_s={window}", "--version=1")]
        )
        request = make_request(client.FLAGS)
        with request.connected() as predict:
            outputs = predict(request.inputs)
        self.assertAllClose(outputs["scores"], self.evaluated[window : window + 1], rtol=0, atol=1e-5)
        self.assertEqual(list(outputs["labels"]), [CLASSES[self.evaluated[window].argmax()]])
        self.assertGreater(np.ptp(self.evaluated, axis=0).max(), 1e-3)  # Else any clip would do.

    def test_the_five_best_are_printed_by_name(self):
        code, out, err = run_command(client, *self._argv())
        self.assertEqual(code, 0, err)
        title, *lines = out.splitlines()
        self.assertIn("10 frames of 41x32 pixels from 0 s on", title)
        best = np.argsort(-self.evaluated[0])[:5]
        self.assertEqual([line.split()[0] for line in lines], [CLASSES[number] for number in best])
        for line, score in zip(lines, self.evaluated[0][best], strict=True):
            self.assertAllClose(float(line.split()[-2]), 100 * score, atol=0.051)
            self.assertAllClose(line.count("#"), 30 * score, atol=0.51)

    def test_over_time_every_clip_s_best_class_is_printed(self):
        code, out, err = run_command(client, *self._argv("rest", "--every_s=0.5"))
        self.assertEqual(code, 0, err)
        lines = [line.split() for line in out.splitlines()]
        self.assertEqual([line[0] for line in lines], ["0.00", "0.50", "1.00", "1.50"])
        for line, scores in zip(lines[::2], self.evaluated, strict=True):  # The shard's clips begin at 0 and 1 seconds.
            self.assertEqual(line[2], CLASSES[scores.argmax()])
            self.assertAllClose(float(line[-2]), 100 * scores.max(), atol=0.051)
        self._assert_one_line(self._argv("rest", "--every_s=0.5", "--start_s=1"), "leave --start_s out")

    def test_without_a_class_list_the_best_alone_has_a_name(self):
        argv = [argument for argument in self._argv() if "model_json" not in argument]
        code, out, err = run_command(client, *argv, "--fps=10", "--short_side=32")
        self.assertEqual(code, 0, err)
        best = np.argsort(-self.evaluated[0])
        lines = out.splitlines()[1:]
        self.assertEqual(lines[0].split()[0], CLASSES[best[0]])
        self.assertStartsWith(lines[1], f"class {best[1]} ")
        classes = self.folder / "spl_tf" / "1" / "assets" / "classes.txt"
        named = run_command(client, *argv, "--fps=10", "--short_side=32", f"--classes={classes}")[1]
        self.assertEqual(named, run_command(client, *self._argv())[1])

    @parameterized.parameters("rest", "grpc")
    def test_a_server_that_is_not_there_or_lacks_the_model_is_one_line(self, protocol):
        self.require_client(protocol)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"{'http://' if protocol == 'rest' else ''}127.0.0.1:{unused.getsockname()[1]}"
            self._assert_one_line(self._argv(protocol, f"--server={address}"), f"{address} gives no answer")
        self._assert_one_line(self._argv(protocol, "--model=nope"), r"Latest\(nope\).*--model")
        self._assert_one_line(self._argv(protocol, "--version=7"), r"Specific\(spl_tf, 7\).*--version")
        other = "localhost:8501" if protocol == "rest" else "http://localhost:8500"
        self._assert_one_line(self._argv(protocol, f"--server={other}"), "is no address of")
        self._assert_one_line(
            self._argv(protocol, "--short_side=27"),
            "refuses the request: (400|INVALID_ARGUMENT): .*smaller than crop_size",
        )

    def test_mistakes_in_flags_and_files_are_one_line(self):
        text = self.folder / "text.mp4"
        text.write_text("no video")
        classes = self.folder / "two.txt"
        classes.write_text("red\ngreen\n")
        argv = self._argv()
        for more, words in (
            ([f"--video={text}"], "text.mp4 gives no clip"),
            (["--start_s=60"], "no frame in the interval"),
            (["--start_s=nan"], "--start_s=nan"),
            (["--fps=0"], "--fps=0"),
            ([f"--model_json={classes}"], "two.txt is damaged"),
            ([f"--classes={classes}"], "not one of the 2 given"),
            ([f"--server={self.addresses.rest}/other"], "Malformed request"),
            (["--server=http://[::1"], "is --server right"),
            *(([flag], flag.split("=")[0]) for flag in (f"--version={10**19}", "--jpeg_quality=0")),
        ):
            self._assert_one_line([*argv, *more], words)
        self._assert_one_line([flag for flag in argv if "model_json" not in flag], "--fps --short_side missing")

    @parameterized.parameters("rest", "grpc")
    def test_load_counts_no_failure_where_there_is_none(self, protocol):
        self.require_client(protocol)
        more = ("--requests=12", "--clients=4", f"--pid={pathlib.Path('/proc/self').resolve().name}")
        code, out, err = run_command(load, *self._argv(protocol, *more))
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"^12 requests in .* a second\n50 % within .*\nmemory of the server: .*\n0 failures\n$")
        self._assert_one_line(self._argv(protocol, "--model=nope"), r"Latest\(nope\)", load)
