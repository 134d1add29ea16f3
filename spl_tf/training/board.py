"""What TensorBoard shows of a stage: numbers, clips as the network saw them, what was configured."""

import ast
import math
import pathlib
from collections.abc import Collection, Mapping, Sequence

import gin
import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as hparams_summary

from spl_tf import configuration
from spl_tf.errors import UserError
from spl_tf.input_range import DEVIATION, MEAN
from spl_tf.labels import figures
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.training.hooks import Hook, LoopReport
from spl_tf.training.objectives.objective import Objective

# TensorBoard shows no more of a tag unless told otherwise, and twice as many slow down the smallest runs by 5 %.
_MOST_SHOWN = 10
_FRAMES_SHOWN = 8
# More classes than these have a histogram of their accuracies, no curve each.
_MANY_CLASSES = 20


class Board(Hook):
    """The event files of one stage; a resumed run adds to them."""

    def __init__(
        self,
        log_dir: pathlib.Path,
        stage: str,
        classes: Sequence[str],
        objective: Objective,
        batch_size: int,
        show_at: Collection[int] = (),
    ):
        """Opens the files.

        Args:
          log_dir: TensorBoard's folder.
          stage: whose configuration is shown.
          classes: names of the N classes.
          objective: says what the targets of a clip are, and what it keeps beside the network.
          batch_size: clips a step.
          show_at: steps after which clips are shown.
        """
        self._stage = stage
        self._classes = classes
        self._objective = objective
        self._batch_size = batch_size
        self._show_at = show_at
        self._is_configuration_shown = False
        self._writer = tf.summary.create_file_writer(str(log_dir))

    def __exit__(self, kind: type[BaseException] | None, *details) -> None:
        # TensorBoard keeps the first end it finds, and a run goes on after a signal, or what the user can mend.
        if kind is None or (issubclass(kind, Exception) and not issubclass(kind, UserError | OSError)):
            status = api_pb2.STATUS_SUCCESS if kind is None else api_pb2.STATUS_FAILURE
            with self._writer.as_default(step=0):
                _write_proto(hparams_summary.session_end_pb(status))
        self._writer.close()

    def describe(
        self,
        network: keras.Model,
        counts: np.ndarray,
        num_clips: int,
        queried: Sequence[str],
        **options: float | str,
    ) -> None:
        """Shows what is trained on what.

        Args:
          network: with its head.
          counts: int [N], training clips of each class; none where nothing is learned of classes.
          num_clips: in training; of several labels, fewer than the counts add up to.
          queried: names of the classes that the weak labels know; the others are off the diagonal.
          **options: hyper-parameters that gin does not know.
        """
        lines: list[str] = []
        network.summary(line_length=110, print_fn=lambda line, **_: lines.append(line))
        with self._writer.as_default(step=0):
            tf.summary.text("network", _verbatim("\n".join(lines)))
            if counts.size:
                tf.summary.histogram("labels/clips_of_a_class", counts)
                is_diagonal = np.isin(self._classes, queried)
                title = f"{num_clips:,} training clips"
                tail = figures.long_tail_figure(counts, self._classes, is_diagonal, title)
                tf.summary.image("labels/long_tail", _picture(tail))
            # Without a name of its own a trial has that of its run; named by its values, those of equal values are one.
            hparams.hparams(_scalars(configuration.stage_bindings(self._stage)) | options, trial_id="")
        self._writer.flush()

    def limit(self, step: int, num_steps: int) -> int:
        return min([num_steps, *(shown - step for shown in self._show_at if shown > step)])

    def after(self, report: LoopReport) -> None:
        scalars = {f"train/{name}": value for name, value in (report.means | report.state).items()}
        scalars["throughput/clips_per_second"] = report.num_steps * self._batch_size / report.seconds
        scalars["throughput/share_waiting_for_data"] = min(report.data_seconds / report.seconds, 1.0)
        with self._writer.as_default(step=report.step):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)
            if not self._is_configuration_shown:  # Now that a step was traced, all that configures it is known.
                tf.summary.text("configuration", gin.markdown(gin.operative_config_str()))
                self._is_configuration_shown = True
            if report.step in self._show_at:
                self._show_inputs(report)
        self._writer.flush()

    def _show_inputs(self, report: LoopReport) -> None:
        """Clips with all augmentation, their targets, and the values that the objective keeps."""
        lines = self._objective.describe(report.targets, self._classes)
        strips = _strips(report.clips)
        # A picture a line: the views of a clip, which follow each other, one below the other.
        pictures = strips.reshape(len(lines), -1, *strips.shape[2:])
        tf.summary.image("input/clips", pictures, max_outputs=len(pictures))
        tf.summary.text("input/labels", "\n".join(f"{place}. {line}" for place, line in enumerate(lines, 1)))
        for tag, values in self._objective.histograms().items():
            tf.summary.histogram(tag, values)

    def evaluated(self, step: int, evaluation: Evaluation) -> None:
        with self._writer.as_default(step=step):
            _show_evaluation("validation", evaluation, self._classes)
        self._writer.flush()


def write_evaluation(
    log_dir: pathlib.Path,
    prefix: str,
    evaluation: Evaluation,
    classes: Sequence[str],
    hyper_parameters: Mapping[str, float | str],
) -> None:
    """Event files of one evaluation: a trial in the tab HParams, whose metrics are the scalars.

    Args:
      log_dir: TensorBoard's folder.
      prefix: of the tags, e.g. "test" for "test/top_1".
      evaluation: what was found.
      classes: names of the N classes.
      hyper_parameters: columns of the trial.
    """
    writer = tf.summary.create_file_writer(str(log_dir))
    with writer.as_default(step=0):
        hparams.hparams(dict(hyper_parameters), trial_id="")
        _show_evaluation(prefix, evaluation, classes)
        _write_proto(hparams_summary.session_end_pb(api_pb2.STATUS_SUCCESS))
    writer.close()


def _show_evaluation(prefix: str, evaluation: Evaluation, classes: Sequence[str]) -> None:
    for name, value in evaluation.metrics.items():
        tf.summary.scalar(f"{prefix}/{name}", value)
    if evaluation.confusion is not None:
        labels = {"rows": "true class", "columns": "prediction"}
        figure = figures.confusion_figure(evaluation.confusion, classes, **labels)
        tf.summary.image(f"{prefix}/confusion", _picture(figure))
    for measure, values in evaluation.per_class.items():
        tf.summary.histogram(f"{prefix}/{measure}_of_a_class", values[~np.isnan(values)])
        if len(classes) <= _MANY_CLASSES:
            for name, value in zip(classes, values, strict=True):
                if not np.isnan(value):
                    tf.summary.scalar(f"{prefix}_{measure}/{name}", value)


def steps_shown(epochs: float, steps_per_epoch: float) -> frozenset[int]:
    """The first step and the last one of every epoch; in more than ten epochs, of every second one, or third, ..."""
    stride = math.ceil(epochs / _MOST_SHOWN)
    ends = range(stride, math.floor(epochs) + 1, stride)
    return frozenset({1} | {max(1, round(epoch * steps_per_epoch)) for epoch in ends})


def _strips(clips: np.ndarray) -> np.ndarray:
    """A few frames of each clip side by side: float32 [n, T, H, W, 3] -> uint8 [n, H, W * up to 8, 3]."""
    chosen = np.unique(np.linspace(0, clips.shape[1] - 1, _FRAMES_SHOWN).round().astype(int))
    pixels = np.clip(255.0 * (clips[:, chosen] * DEVIATION + MEAN), 0.0, 255.0).round().astype(np.uint8)
    return np.concatenate(np.moveaxis(pixels, 1, 0), axis=2)


def _picture(figure: Figure) -> np.ndarray:
    """uint8 [1, H, W, 3]."""
    return figures.pixels(figure)[np.newaxis]


def _verbatim(text: str) -> str:
    """As Markdown that keeps its columns."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def _scalars(bindings: Mapping[str, str]) -> dict[str, float | str | bool]:
    """Bindings as the HParams tab takes them: numbers as numbers, the rest as text."""
    found: dict[str, float | str | bool] = {}
    for name, text in bindings.items():
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            value = text  # A reference such as @resnet3d.
        found[name] = value if isinstance(value, bool | int | float | str) else text
    return found


def _write_proto(proto) -> None:
    tf.summary.experimental.write_raw_pb(proto.SerializeToString(), step=0)
