"""What the server answers to requests of both protocols, those with faults too."""

import base64
import json
import urllib.error
import urllib.request

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from tests.tools import served_case


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


class ServeRequestsTest(served_case.ServedCase):
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
        self.require_client("grpc")
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
