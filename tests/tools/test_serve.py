"""The client against a loopback server of both protocols: evaluation's scores, and faults in one line."""

import base64
import contextlib
import io
import json
import pathlib
import socket
import urllib.error
import urllib.request

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.command import execute
from spl_tf.data.building.shards import write_shards
from spl_tf.data.dataset import load_dataset
from spl_tf.inference.saved_model import export_model
from spl_tf.inference.scores import score_clips
from spl_tf.inference.trained_model import ClipInput, load_trained, save_trained
from spl_tf.models.classifier import classifier
from spl_tf.models.resnet3d import resnet3d
from tests import serving_server
from tools.serve import client, load
from tools.serve.request import make_request

# More classes than the client prints.
CLASSES = ("red", "green", "blue", "cyan", "magenta", "yellow", "black")
CLIP_INPUT = ClipInput(4, 2, 28, short_side=32, fps=10.0)


def _write_video(path):
    """2.5 seconds at 20 frames per second in which two blots of changing colour cross."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 20, (56, 44))
    for moment in range(50):
        picture = np.full((44, 56, 3), (40, 60 + 3 * moment, 200 - 3 * moment), np.uint8)
        cv2.circle(picture, (8 + moment, 20), 9, (240, 5 * moment, 30), -1)
        cv2.circle(picture, (28, 44 - moment), 6, (20, 230, 250 - 5 * moment), -1)
        writer.write(picture)
    writer.release()


def _write_model(folder):
    """An untrained network with scores far from equal."""
    keras.utils.set_random_seed(0)
    network = classifier(resnet3d(depth=10, width_multiplier=0.125, folded=True), len(CLASSES), seed=3)
    clips = np.random.default_rng(0).normal(size=(4, 4, 28, 28, 3))
    *others, kernel, bias = network.get_weights()
    network.set_weights([*others, 2 / np.std(network(clips)["logits"]) * kernel, bias])
    save_trained(folder, network, CLASSES, CLIP_INPUT)


def _jpeg(height, width):
    return cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8))[1].tobytes()


def _claiming(jpeg, height, width):
    """A JPEG whose header says another size."""
    start = jpeg.index(b"\xff\xc0") + 5  # Of a frame header: marker, length, precision; then height and width.
    return jpeg[:start] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + jpeg[start + 4 :]


_GOOD = _jpeg(32, 36)
_HUGE = _claiming(_GOOD, 14143, 14143)

# Input of "frames", what the error says.
_FAULTS = {
    "no_clips": (np.zeros((0, 3), object), r"holds no clips|[Ss]hape.*\[0\]"),  # [] in JSON is of rank 1.
    "no_frames": (np.zeros((1, 0), object), "has no frames"),
    "rank_1": (np.array([_GOOD, _GOOD], object), r"[Ss]hape.*\[2\]"),
    "not_a_jpeg": (np.array([[_GOOD, b"GIF89a"]], object), "frame.*1.*of clip.*0.*is no JPEG"),
    "200_megapixels": (np.array([[_HUGE, _HUGE]], object), "larger than.*4096.*14143"),
}
# Bodies of REST alone.
_BODIES = {
    "nan": ('{"inputs": {"clips": [[[[[0, NaN, 255]]]]]}}', "NaN.*not of expected type: uint8"),
    "above_255": ('{"inputs": {"clips": [[[[[0, 256, 255]]]]]}}', "256.*not of expected type: uint8"),
    "ragged": ('{"inputs": {"clips": [[[[[0, 1, 2]], [[1]]]]]}}', "different lengths"),
    "truncated": ('{"signature_name": "frames", "inputs": {"fra', "JSON Parse error"),
    "no_inputs": ('{"instances": [1]}', "Missing 'inputs'"),
    "no_base64": (
        '{"signature_name": "frames", "inputs": {"frames": [[{"b64": "?"}]]}}',
        "not of expected type: string",
    ),
    "other_name": ('{"signature_name": "frames", "inputs": {"frame": [["a"]]}}', "'frame'.*'frames'"),
    "other_signature": ('{"signature_name": "nope", "inputs": {"frames": [["a"]]}}', "nope.*not found"),
}


def _body(values):
    def coded(value):
        return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else [*map(coded, value)]

    return json.dumps({"signature_name": "frames", "inputs": {"frames": coded(values.tolist())}})


def _ask(address, body=None):
    """HTTP code and JSON of a GET, or of a POST where there is a body."""
    request = urllib.request.Request(address, body and body.encode())
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class ServeTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(scope="class")
    def served(self, tmp_path_factory):
        """Folder of a video and of everything made for it, and the server's addresses."""
        folder = tmp_path_factory.mktemp("served")
        _write_video(folder / "blots.mp4")
        (folder / "videos.csv").write_text("path,label\nblots.mp4,red\n")
        write_shards(
            folder / "videos.csv",
            folder / "shards",
            classes=CLASSES,
            clip_seconds=1.0,
            fps=10,
            short_side=32,
            num_shards=1,
            workers=1,
        )
        _write_model(folder / "trained")
        export_model(folder / "trained", folder / "spl_tf")
        with serving_server.serving(folder / "spl_tf", "spl_tf") as addresses:
            yield folder, addresses

    @pytest.fixture(scope="class")
    def evaluated(self, served):
        """Scores [2, N] of the video's clips by evaluation's path."""
        trained, dataset = load_trained(served[0] / "trained"), load_dataset(served[0] / "shards")
        strategy = tf.distribute.get_strategy()
        options = {"batch_size": 2, "num_views": 1, "description": "evaluate"}
        clips = score_clips(trained.network, dataset, CLIP_INPUT, strategy, **options)
        return np.stack([clip.scores for clip in sorted(clips, key=lambda clip: clip.clip_id)])

    @pytest.fixture(autouse=True)
    def _fixtures(self, served, evaluated):
        (self.folder, self.addresses), self.evaluated = served, evaluated
        self.model_json = self.folder / "spl_tf" / "1" / "assets.extra" / "model.json"

    def _argv(self, protocol="rest", *arguments):
        return [
            "client",
            f"--video={self.folder / 'blots.mp4'}",
            f"--protocol={protocol}",
            f"--server={self.addresses.rest if protocol == 'rest' else self.addresses.grpc}",
            f"--model_json={self.model_json}",
            "--clip_seconds=1",
            *arguments,
        ]

    def _run(self, argv, command=client):
        """Exit code, standard output, standard error."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = execute(command.main, command.FLAGS, command.__doc__, argv)
        return code, out.getvalue(), err.getvalue()

    def _assert_one_line(self, argv, words, command=client):
        code, out, err = self._run(argv, command)
        self.assertEqual((code, out), (2, ""))
        self.assertRegex(err, rf"^spl_tf: .*{words}.*\n$")

    def _require(self, protocol):
        if protocol == "grpc" and self.addresses.grpc is None:
            self.skipTest("tensorflow-serving-api is not installed")

    @parameterized.product(protocol=("rest", "grpc"), signature=("frames", "records", "serving_default"))
    def test_scores_are_those_of_evaluation_on_the_shards_clip(self, protocol, signature):
        self._require(protocol)
        window = 0 if signature == "frames" else 1  # The shard's clips begin at 0 and 1 seconds.
        client.FLAGS(self._argv(protocol, f"--signature={signature}", f"--start_s={window}", "--version=1"))
        request = make_request(client.FLAGS)
        with request.connected() as predict:
            outputs = predict(request.inputs)
        self.assertAllClose(outputs["scores"], self.evaluated[window : window + 1], rtol=0, atol=1e-5)
        self.assertEqual(list(outputs["labels"]), [CLASSES[self.evaluated[window].argmax()]])
        self.assertGreater(np.ptp(self.evaluated, axis=0).max(), 1e-3)  # Else any clip would do.

    def test_the_five_best_are_printed_by_name(self):
        code, out, err = self._run(self._argv())
        self.assertEqual(code, 0, err)
        title, *lines = out.splitlines()
        self.assertIn("10 frames of 41x32 pixels from 0 s on", title)
        best = np.argsort(-self.evaluated[0])[:5]
        self.assertEqual([line.split()[0] for line in lines], [CLASSES[number] for number in best])
        for line, score in zip(lines, self.evaluated[0][best], strict=True):
            self.assertAllClose(float(line.split()[-2]), 100 * score, atol=0.051)
            self.assertAllClose(line.count("#"), 30 * score, atol=0.51)

    def test_over_time_every_clip_s_best_class_is_printed(self):
        code, out, err = self._run(self._argv("rest", "--every_s=0.5"))
        self.assertEqual(code, 0, err)
        lines = [line.split() for line in out.splitlines()]
        self.assertEqual([line[0] for line in lines], ["0.00", "0.50", "1.00", "1.50"])
        for line, scores in zip(lines[::2], self.evaluated, strict=True):  # The shard's clips begin at 0 and 1 seconds.
            self.assertEqual(line[2], CLASSES[scores.argmax()])
            self.assertAllClose(float(line[-2]), 100 * scores.max(), atol=0.051)
        self._assert_one_line(self._argv("rest", "--every_s=0.5", "--start_s=1"), "leave --start_s out")

    def test_without_a_class_list_the_best_alone_has_a_name(self):
        argv = [argument for argument in self._argv() if "model_json" not in argument]
        code, out, err = self._run([*argv, "--fps=10", "--short_side=32"])
        self.assertEqual(code, 0, err)
        best = np.argsort(-self.evaluated[0])
        lines = out.splitlines()[1:]
        self.assertEqual(lines[0].split()[0], CLASSES[best[0]])
        self.assertStartsWith(lines[1], f"class {best[1]} ")
        classes = self.folder / "spl_tf" / "1" / "assets" / "classes.txt"
        named = self._run([*argv, "--fps=10", "--short_side=32", f"--classes={classes}"])[1]
        self.assertEqual(named, self._run(self._argv())[1])

    @parameterized.parameters("rest", "grpc")
    def test_a_server_that_is_not_there_or_lacks_the_model_is_one_line(self, protocol):
        self._require(protocol)
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

    @parameterized.named_parameters(
        *((name, _body(values), words) for name, (values, words) in _FAULTS.items()),
        *((name, body, words) for name, (body, words) in _BODIES.items()),
    )
    def test_rest_names_the_fault_and_answers_the_next_request(self, body, words):
        address = f"{self.addresses.rest}/v1/models/spl_tf:predict"
        code, answer = _ask(address, body)
        self.assertEqual(code, 400)
        self.assertRegex(" ".join(answer["error"].split()), words)
        code, answer = _ask(address, _body(np.array([[_GOOD]], object)))
        self.assertEqual(code, 200)
        self.assertAllClose(np.sum(answer["outputs"]["scores"]), 1.0)

    @parameterized.named_parameters(
        *((name, "frames", "frames", values, words) for name, (values, words) in _FAULTS.items()),
        ("nan", "serving_default", "clips", np.full((1, 1, 32, 32, 3), np.nan, np.float32), "uint8.*float32"),
        ("other_name", "frames", "frame", np.array([[_GOOD]], object), "'frame'.*'frames'"),
    )
    def test_grpc_names_the_fault_and_answers_the_next_request(self, signature, name, values, words):
        self._require("grpc")
        import grpc
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

        def request(signature, name, values):
            message = predict_pb2.PredictRequest()
            message.model_spec.name, message.model_spec.signature_name = "spl_tf", signature
            message.inputs[name].CopyFrom(tf.make_tensor_proto(values))
            return message

        with grpc.insecure_channel(self.addresses.grpc) as channel:
            predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
            with self.assertRaises(grpc.RpcError) as raised:
                predict(request(signature, name, values), timeout=60)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
            self.assertRegex(" ".join(raised.exception.details().split()), words)
            good = predict(request("frames", "frames", np.array([[_GOOD]], object)), timeout=60)
        self.assertEqual(good.model_spec.version.value, 1)
        self.assertAllClose(np.sum(tf.make_ndarray(good.outputs["scores"])), 1.0)

    def test_status_and_metadata_are_those_of_tf_serving(self):
        address = f"{self.addresses.rest}/v1/models/spl_tf"
        (status,) = _ask(address)[1]["model_version_status"]
        self.assertEqual((status["version"], status["state"]), ("1", "AVAILABLE"))
        signatures = _ask(f"{address}/versions/1/metadata")[1]["metadata"]["signature_def"]["signature_def"]
        self.assertContainsSubset(("frames", "records", "serving_default"), signatures)
        frames = signatures["frames"]["inputs"]["frames"]
        self.assertEqual(frames["dtype"], "DT_STRING")
        self.assertEqual([size["size"] for size in frames["tensor_shape"]["dim"]], ["-1", "-1"])

    @parameterized.parameters("rest", "grpc")
    def test_load_counts_no_failure_where_there_is_none(self, protocol):
        self._require(protocol)
        more = ("--requests=12", "--clients=4", f"--pid={pathlib.Path('/proc/self').resolve().name}")
        code, out, err = self._run(self._argv(protocol, *more), load)
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"^12 requests in .* a second\n50 % within .*\nmemory of the server: .*\n0 failures\n$")
        self._assert_one_line(self._argv(protocol, "--model=nope"), r"Latest\(nope\)", load)
