"""The warm-up file is what TF Serving reads: its protos, for every signature, answered by the exported model."""

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from spl_tf.inference.saved_model import export_model
from spl_tf.inference.trained_model import load_trained
from spl_tf.inference.warmup import prediction_log

# What the requests use of tensorflow_serving/apis/{prediction_log,predict,model}.proto.
_SCHEMA = """
  name: "prediction_log.proto" package: "tensorflow.serving" syntax: "proto3"
  dependency: "tensorflow/core/framework/tensor.proto"
  message_type {
    name: "ModelSpec"
    field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "signature_name" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL }
  }
  message_type {
    name: "PredictRequest"
    field { name: "model_spec" number: 1 type: TYPE_MESSAGE type_name: ".tensorflow.serving.ModelSpec"
            label: LABEL_OPTIONAL }
    field { name: "inputs" number: 2 type: TYPE_MESSAGE type_name: ".tensorflow.serving.PredictRequest.InputsEntry"
            label: LABEL_REPEATED }
    nested_type {
      name: "InputsEntry"
      field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
      field { name: "value" number: 2 type: TYPE_MESSAGE type_name: ".tensorflow.TensorProto" label: LABEL_OPTIONAL }
      options { map_entry: true }
    }
  }
  message_type {
    name: "PredictLog"
    field { name: "request" number: 1 type: TYPE_MESSAGE type_name: ".tensorflow.serving.PredictRequest"
            label: LABEL_OPTIONAL }
  }
  message_type {
    name: "PredictionLog"
    field { name: "predict_log" number: 6 type: TYPE_MESSAGE type_name: ".tensorflow.serving.PredictLog"
            label: LABEL_OPTIONAL }
  }
"""


def _add_with_dependencies(pool, file):
    for dependency in file.dependencies:
        _add_with_dependencies(pool, dependency)
    pool.AddSerializedFile(file.serialized_pb)


def _parsed(log):
    """PredictRequest of a serialized PredictionLog, by protobuf's own parser."""
    pool = descriptor_pool.DescriptorPool()
    _add_with_dependencies(pool, tf.make_tensor_proto(0).DESCRIPTOR.file)
    pool.AddSerializedFile(text_format.Parse(_SCHEMA, descriptor_pb2.FileDescriptorProto()).SerializeToString())
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.serving.PredictionLog"))
    return kind.FromString(log).predict_log.request


def _arrays(request):
    return {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}


class WarmupTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, trained_dir):
        self.trained_dir = trained_dir

    @parameterized.parameters(0, 1, 127, 128, 300, 70_000)
    def test_protobuf_reads_what_was_written(self, length):  # Lengths of one, two and three bytes.
        inputs = {"a": np.arange(length, dtype=np.uint8), "b": np.array([[b"\x00" * length, b"\xff"]], object)}
        request = _parsed(prediction_log("actions", "frames", inputs))
        self.assertEqual((request.model_spec.name, request.model_spec.signature_name), ("actions", "frames"))
        arrays = _arrays(request)
        self.assertEqual(set(arrays), {"a", "b"})
        self.assertAllEqual(arrays["a"], inputs["a"])
        self.assertDTypeEqual(arrays["a"], np.uint8)
        self.assertEqual(arrays["b"].tolist(), inputs["b"].tolist())

    def test_the_exported_model_answers_every_request_of_its_file(self):
        version = export_model(self.trained_dir, self.create_tempdir().full_path + "/colors")
        signatures = tf.saved_model.load(str(version)).signatures
        path = version / "assets.extra" / "tf_serving_warmup_requests"
        requests = [_parsed(log) for log in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()]
        names = ("serving_default", "frames", "records")
        self.assertEqual([request.model_spec.signature_name for request in requests], [*names, *names])
        self.assertEqual({request.model_spec.name for request in requests}, {"colors"})
        answers = [
            signatures[request.model_spec.signature_name](
                **{name: tf.constant(values) for name, values in _arrays(request).items()}
            )["scores"].numpy()
            for request in requests
        ]
        self.assertEqual([len(answer) for answer in answers], [1, 1, 1, 4, 4, 4])
        # Grey is the same clip as pixels, as JPEG and as a record: looped to the network's length.
        trained = load_trained(self.trained_dir)
        grey = np.full((1, 4, 28, 28, 3), (128 / 255 - 0.45) / 0.225, np.float32)
        scores = tf.nn.softmax(trained.network(grey, training=False)["logits"])
        for answer in answers:
            self.assertAllClose(answer, np.repeat(scores, len(answer), axis=0), atol=1e-5)
