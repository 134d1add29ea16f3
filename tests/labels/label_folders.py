"""A folder of labels of any matrix, made as a user makes one."""

import contextlib
import pathlib
from collections.abc import Iterator
from unittest import mock

import numpy as np

from spl_tf.labels import figures, predictions, sidecar_files
from spl_tf.labels.assign import assign_labels


@contextlib.contextmanager
def without_figures() -> Iterator[None]:
    """Labels written inside have no pictures: drawing them takes longer than all the rest."""
    with mock.patch.object(figures, "draw_confusion"), mock.patch.object(figures, "draw_long_tail"):
        yield


def label_matrix(folder: pathlib.Path, confusion: np.ndarray, classes: tuple[str, ...], strategy: str, **options):
    """Labels as many clips of every cell as the matrix has, int [N, N], into `folder`/labels; returns that folder."""
    weak, teacher = (np.repeat(ids.ravel(), confusion.ravel()) for ids in np.indices(confusion.shape))
    clip_ids = [f"clip {number}" for number in range(len(weak))]
    header = sidecar_files.Header(len(weak), "f", sidecar_files.ids_digest(clip_ids), {"model": "m"})
    wanted = predictions.Predictions(folder / "predictions", tuple(classes), {"web": header})
    sidecar_files.write_predictions(
        wanted.path("web"),
        clip_ids=clip_ids,
        weak=weak,
        teacher=teacher,
        confidence=np.full(len(weak), 0.5),
        shard_fingerprint="f",
        made_by=header.made_by,
    )
    predictions.write_index(wanted, header.made_by)
    with without_figures():
        assign_labels(wanted.folder, strategy, folder / "labels", **options)
    return folder / "labels"
