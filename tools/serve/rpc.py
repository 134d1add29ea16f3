"""Predict requests by gRPC: TF Serving's PredictionService, with the messages of tensorflow-serving-api."""

import contextlib
from collections.abc import Iterator

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from spl_tf.errors import UserError
from tools.serve.served_model import Predict, ServedModel

_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # Else all clients of a process share one connection.
)
_NO_ANSWER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@contextlib.contextmanager
def connected(model: ServedModel, seconds: float) -> Iterator[Predict]:
    """As `tools.serve.rest.connected`, by gRPC.

    Raises:
      UserError: besides what is raised there, tensorflow-serving-api is missing.
    """
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
    except ImportError as error:
        raise UserError(
            f"--protocol=grpc needs tensorflow-serving-api ({error}): pip install tensorflow-serving-api, "
            "or take --protocol=rest"
        ) from error
    if "://" in model.server:
        raise UserError(f"--server={model.server} is no address of gRPC: give host:port, e.g. localhost:8500")

    def predict(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = model.name
        request.model_spec.signature_name = model.signature
        if model.version is not None:
            request.model_spec.version.value = model.version
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
        try:
            response = stub.Predict(request, timeout=seconds)
        except grpc.RpcError as error:
            if error.code() in _NO_ANSWER:
                raise model.unreachable(error.details()) from error
            not_found = error.code() == grpc.StatusCode.NOT_FOUND
            raise model.refusal(error.code().name, error.details(), not_found=not_found) from error
        return {name: _array(tensor) for name, tensor in response.outputs.items()}

    with grpc.insecure_channel(model.server, _OPTIONS) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        yield predict


def _array(tensor: tensor_pb2.TensorProto) -> np.ndarray:
    values = tf.make_ndarray(tensor)
    if values.dtype != object:
        return values
    return np.array([text.decode() for text in values.flat], object).reshape(values.shape)
