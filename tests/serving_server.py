"""A small server of an exported model that speaks TF Serving's REST paths and its gRPC PredictionService.

  python -m tests.serving_server S --name=spl_tf --rest_port=8501 --grpc_port=8500

It serves the latest version below S on this machine alone, and stands for TF Serving in the tests of
tools/serve. Paths, JSON, messages and codes are TF Serving's; the model runs by tf.saved_model.load,
with neither spl_tf nor the network's Python code. gRPC needs tensorflow-serving-api.
"""

import argparse
import base64
import concurrent.futures
import contextlib
import dataclasses
import http.server
import json
import os
import pathlib
import re
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2

try:
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
except ImportError:
    predict_pb2 = None

_HTTP_CODES = {grpc.StatusCode.INVALID_ARGUMENT: 400, grpc.StatusCode.NOT_FOUND: 404}
_LONGEST_MESSAGE = 1024  # As TF Serving's: gRPC sends a status in the headers.
_PATH = re.compile(r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>\d+))?(?P<what>:predict|/metadata|)")
_NO_LIMIT = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


class RefusedError(Exception):
    """A faulty request: the code of its answer, and what is wrong with it."""

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message)
        self.code, self.message = code, message[:_LONGEST_MESSAGE]


@dataclasses.dataclass(frozen=True)
class Addresses:
    """Where the server listens: http://host:port for REST; host:port for gRPC, None without its package."""

    rest: str
    grpc: str | None


class Model:
    """The latest version below a folder, under a name."""

    def __init__(self, base_path: str | os.PathLike, name: str):
        self.name = name
        versions = [int(path.name) for path in pathlib.Path(base_path).iterdir() if path.name.isdecimal()]
        if not versions:
            raise ValueError(f"{base_path} has no versions: name the --output_dir of spl_tf.export")
        self.version = max(versions)
        folder = pathlib.Path(base_path) / str(self.version)
        content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        self.definitions = dict(content.meta_graphs[0].signature_def)
        self._loaded = tf.saved_model.load(str(folder))

    def require(self, name: str, version: int | None) -> None:
        if name != self.name or version not in (None, self.version):
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise RefusedError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}")

    def inputs_of(self, signature: str) -> dict[str, tf.TensorSpec]:
        """The signature's inputs by their names."""
        signature = signature or "serving_default"
        if signature not in self._loaded.signatures:
            raise _invalid(f'Serving signature name: "{signature}" not found in signature def')
        return self._loaded.signatures[signature].structured_input_signature[1]

    def predict(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        specs = self.inputs_of(signature)
        if inputs.keys() != specs.keys():
            raise _invalid(f"inputs do not match the signature: sent {sorted(inputs)}, expected {sorted(specs)}")
        for name, values in inputs.items():
            if tf.as_dtype(values.dtype) != specs[name].dtype:
                raise _invalid(
                    f"Expects {name} to be {specs[name].dtype.name} but {tf.as_dtype(values.dtype).name} is provided"
                )
        tensors = {name: tf.constant(values, specs[name].dtype) for name, values in inputs.items()}
        try:
            outputs = self._loaded.signatures[signature or "serving_default"](**tensors)
        except (tf.errors.InvalidArgumentError, TypeError, ValueError) as error:
            # TensorFlow's Python puts the places in the graph first.
            raise _invalid(str(error).rsplit("<stack traces unavailable>", 1)[-1].strip()) from error
        return {name: values.numpy() for name, values in outputs.items()}


def _invalid(message: str) -> RefusedError:
    return RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)


class _Rest(http.server.BaseHTTPRequestHandler):
    """TF Serving's REST paths; `server.model` is the model."""

    protocol_version = "HTTP/1.1"  # Connections stay open.
    disable_nagle_algorithm = True  # Else the body waits for the client to acknowledge the headers.

    def do_GET(self) -> None:
        self._answer(self._describe)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(lambda: self._predict(body))

    def log_message(self, format: str, *args: Any) -> None:
        """Tests need no log."""

    def _describe(self) -> dict:
        model, what = self._model(("", "/metadata"))
        if not what:
            status = {"error_code": "OK", "error_message": ""}
            return {"model_version_status": [{"version": str(model.version), "state": "AVAILABLE", "status": status}]}
        definitions = {
            name: json_format.MessageToDict(definition, preserving_proto_field_name=True)
            for name, definition in model.definitions.items()
        }
        return {
            "model_spec": {"name": model.name, "signature_name": "", "version": str(model.version)},
            "metadata": {"signature_def": {"signature_def": definitions}},
        }

    def _predict(self, body: bytes) -> dict:
        model, _ = self._model((":predict",))
        try:
            request = json.loads(body)
        except ValueError as error:
            raise _invalid(f"JSON Parse error: {error}") from error
        if not isinstance(request, dict) or not isinstance(request.get("inputs"), dict):
            raise _invalid("Missing 'inputs', an object of named tensors")
        signature = str(request.get("signature_name", ""))
        specs = model.inputs_of(signature)
        inputs = {
            name: _from_json(value, specs[name].dtype if name in specs else tf.string)
            for name, value in request["inputs"].items()
        }
        outputs = model.predict(signature, inputs)
        return {"outputs": {name: _to_json(values) for name, values in outputs.items()}}

    def _model(self, kinds: tuple[str, ...]) -> tuple[Model, str]:
        """The model, and what of it the path asks for."""
        match = _PATH.fullmatch(self.path)
        if not match or match["what"] not in kinds:
            raise _invalid(f"Malformed request: {self.command} {self.path}")
        self.server.model.require(match["name"], int(match["version"]) if match["version"] else None)
        return self.server.model, match["what"]

    def _answer(self, make: Callable[[], dict]) -> None:
        try:
            code, content = 200, make()
        except RefusedError as error:
            code, content = _HTTP_CODES[error.code], {"error": error.message}
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _RestServer(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # Of 5 connections at once some would wait for the system's next try, in seconds.
    daemon_threads = True

    def __init__(self, port: int, model: Model):
        super().__init__(("127.0.0.1", port), _Rest)
        self.model = model


def _from_json(value: Any, dtype: tf.DType) -> np.ndarray:
    """Nested lists as an array of uint8 or of strings, the inputs that exported models have."""
    if dtype == tf.string:
        values = np.array(_decoded(value), object)
        if any(not isinstance(text, bytes) for text in values.flat):
            raise _invalid("Encountered lists of different lengths in one tensor")
        return values
    for leaf in _leaves(value):
        if type(leaf) is not int or not 0 <= leaf <= 255:
            kind = type(leaf).__name__
            raise _invalid(f"JSON Value: {json.dumps(leaf)} Type: {kind} is not of expected type: {dtype.name}")
    try:
        return np.array(value, np.uint8)
    except ValueError as error:
        raise _invalid(f"Encountered lists of different lengths in one tensor: {error}") from error


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(part) for part in value]
    if isinstance(value, str):
        return value.encode()
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise _invalid(f"JSON Value: {value} is not of expected type: string") from error


def _to_json(values: np.ndarray) -> list:
    return [text.decode() for text in values] if values.dtype == object else values.tolist()


@contextlib.contextmanager
def serving(base_path: str | os.PathLike, name: str, rest_port: int = 0, grpc_port: int = 0) -> Iterator[Addresses]:
    """Serves on the loopback interface until the end of the `with` block; port 0 is any free one."""
    model = Model(base_path, name)
    with _RestServer(rest_port, model) as rest, contextlib.ExitStack() as stack:
        threading.Thread(target=rest.serve_forever, daemon=True).start()
        stack.callback(rest.shutdown)
        address = stack.enter_context(_serving_grpc(model, grpc_port)) if predict_pb2 else None
        yield Addresses(f"http://127.0.0.1:{rest.server_address[1]}", address)


@contextlib.contextmanager
def _serving_grpc(model: Model, port: int) -> Iterator[str]:
    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(  # noqa: N802
            self, request: "predict_pb2.PredictRequest", context: grpc.ServicerContext
        ) -> "predict_pb2.PredictResponse":
            spec = request.model_spec
            response = predict_pb2.PredictResponse()
            try:
                model.require(spec.name, spec.version.value if spec.HasField("version") else None)
                outputs = model.predict(spec.signature_name, _arrays(request))
            except RefusedError as error:
                context.abort(error.code, error.message)
            response.model_spec.name, response.model_spec.signature_name = spec.name, spec.signature_name
            response.model_spec.version.value = model.version
            for name, values in outputs.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
            return response

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), options=_NO_LIMIT)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def _arrays(request: "predict_pb2.PredictRequest") -> dict[str, np.ndarray]:
    try:
        return {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
    except (TypeError, ValueError) as error:
        raise _invalid(f"tensor parsing error: {error}") from error


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base_path", help="folder of the exported versions")
    parser.add_argument("--name", default="spl_tf", help="name of the model")
    parser.add_argument("--rest_port", type=int, default=8501)
    parser.add_argument("--grpc_port", type=int, default=8500)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with serving(**vars(arguments)) as addresses, contextlib.suppress(KeyboardInterrupt):
            print(f"serving {arguments.name}: {addresses.rest} {addresses.grpc}, process {os.getpid()}", flush=True)
            signal.pause()
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    _main()
