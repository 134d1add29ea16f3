"""The number format that a run began with, and keeps."""

import pathlib
from typing import Literal, TypedDict

from spl_tf import checksums, files
from spl_tf.hardware.precision import choose_policy


class _Precision(TypedDict):
    """`precision.json`: the Keras dtype policy that a run began with."""

    dtype_policy: Literal["float32", "mixed_bfloat16"]


def policy_of_run(model_dir: pathlib.Path, precision: str) -> str:
    """The dtype policy; a run resumed on other hardware keeps the one it started with."""
    path = model_dir / "precision.json"
    if not path.exists():
        files.write_json(path, checksums.sealed({"dtype_policy": choose_policy(precision)}))
    # Weights are float32 under either: another machine's choice changes digits, not what was learned.
    remedy = "delete this file alone to go on with the precision of this machine"
    return checksums.read_sealed(path, _Precision, remedy)["dtype_policy"]
