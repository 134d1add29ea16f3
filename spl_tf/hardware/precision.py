"""The number format of a run: float32, or bfloat16 where the hardware multiplies it."""

import pathlib
import re

import tensorflow as tf

from spl_tf.errors import UserError

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def choose_policy(precision: str) -> str:
    """The Keras dtype policy for "auto", "float32" or "bfloat16".

    "auto" asks the hardware, not a stopwatch, so that the same machine always
    answers the same. Global pooling, head and losses stay float32 in any case.

    Raises:
      UserError: another name.
    """
    if precision == "auto":
        return "mixed_bfloat16" if _hardware_has_bfloat16() else "float32"
    if precision not in _POLICIES:
        raise UserError(f"precision {precision!r} is none of auto, {', '.join(_POLICIES)}")
    return _POLICIES[precision]


def _hardware_has_bfloat16() -> bool:
    """TPUs, GPUs from Ampere (compute capability 8) on, CPUs with AMX-BF16 or AVX512-BF16."""
    if tf.config.list_physical_devices("TPU"):
        return True
    if gpus := tf.config.list_physical_devices("GPU"):
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        return all(detail.get("compute_capability", (0, 0))[0] >= 8 for detail in details)
    try:
        cpu = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return re.search(r"\b(amx_bf16|avx512_bf16)\b", cpu) is not None
