"""The idea of the paper: what label a web clip gets, from its query and the teacher's prediction.

    from spl_tf import labels

    label_map = labels.spl_b(labels.count_pairs(weak, teacher, len(classes)), classes)
    label_map.apply(weak, teacher)

`labellers` holds the method, `confusion` the counting, `sidecar_files` the files, `assign` runs it over
a whole web set. numpy, pyarrow and matplotlib only: nothing here imports TensorFlow, and a name is
imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spl_tf.labels.assign import assign_labels
    from spl_tf.labels.confusion import clips_per_class, count_pairs, noise_ratio, samples_cover_ratio
    from spl_tf.labels.label_folder import read_confusion
    from spl_tf.labels.labellers import (
        agreement,
        cell_posterior,
        crowdlab,
        dawid_skene,
        labeller,
        mopro,
        partial,
        spl,
        spl_b,
        spl_d,
        spl_ib,
        spl_m,
        teacher,
        weak,
    )
    from spl_tf.labels.transition import count_transition, estimate_transition

_MODULES = ("labellers", "confusion", "transition", "label_folder", "assign")

__all__ = [
    "agreement",
    "assign_labels",
    "cell_posterior",
    "clips_per_class",
    "count_pairs",
    "count_transition",
    "crowdlab",
    "dawid_skene",
    "estimate_transition",
    "labeller",
    "mopro",
    "noise_ratio",
    "partial",
    "read_confusion",
    "samples_cover_ratio",
    "spl",
    "spl_b",
    "spl_d",
    "spl_ib",
    "spl_m",
    "teacher",
    "weak",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            found = vars(importlib.import_module(f"{__name__}.{module}"))
            if name in found:
                return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
