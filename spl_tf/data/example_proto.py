"""`tf.train.SequenceExample` without TensorFlow, whose import takes seconds: the same fields and the same bytes.

Declared as TensorFlow declares them (tensorflow/core/example/*.proto), under another name: a process that imports
TensorFlow too may hold no second declaration of the same.
"""

from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

_PACKAGE = "spl_tf.example"
_ONE, _MANY = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED


def _message(name: str, *fields: FieldDescriptorProto, one_of: str = "", is_map: bool = False) -> DescriptorProto:
    declared = DescriptorProto(name=name, field=fields)
    if one_of:
        declared.oneof_decl.add(name=one_of)
        for field in declared.field:
            field.oneof_index = 0
    declared.options.map_entry = is_map
    return declared


def _scalars(number: int, kind: int) -> FieldDescriptorProto:
    return FieldDescriptorProto(name="value", number=number, type=kind, label=_MANY)


def _one(name: str, number: int, message: str) -> FieldDescriptorProto:
    return FieldDescriptorProto(
        name=name, number=number, type=FieldDescriptorProto.TYPE_MESSAGE, type_name=f".{_PACKAGE}.{message}", label=_ONE
    )


def _many(name: str, number: int, message: str) -> FieldDescriptorProto:
    field = _one(name, number, message)
    field.label = _MANY
    return field


def _map(name: str, field: str, message: str) -> DescriptorProto:
    """A message whose field 1 maps texts to messages."""
    entry = f"{field.title().replace('_', '')}Entry"
    declared = _message(name, _many(field, 1, f"{name}.{entry}"))
    key = FieldDescriptorProto(name="key", number=1, type=FieldDescriptorProto.TYPE_STRING, label=_ONE)
    declared.nested_type.append(_message(entry, key, _one("value", 2, message), is_map=True))
    return declared


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(
    FileDescriptorProto(
        name="spl_tf/example.proto",
        package=_PACKAGE,
        syntax="proto3",
        message_type=[
            _message("BytesList", _scalars(1, FieldDescriptorProto.TYPE_BYTES)),
            _message("FloatList", _scalars(1, FieldDescriptorProto.TYPE_FLOAT)),
            _message("Int64List", _scalars(1, FieldDescriptorProto.TYPE_INT64)),
            _message(
                "Feature",
                _one("bytes_list", 1, "BytesList"),
                _one("float_list", 2, "FloatList"),
                _one("int64_list", 3, "Int64List"),
                one_of="kind",
            ),
            _map("Features", "feature", "Feature"),
            _message("FeatureList", _many("feature", 1, "Feature")),
            _map("FeatureLists", "feature_list", "FeatureList"),
            _message("SequenceExample", _one("context", 1, "Features"), _one("feature_lists", 2, "FeatureLists")),
        ],
    )
)


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


Feature, FeatureList, Features, SequenceExample = map(_class, ("Feature", "FeatureList", "Features", "SequenceExample"))
