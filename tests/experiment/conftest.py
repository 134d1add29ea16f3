"""A recipe over the coloured videos, small enough for a test."""

import contextlib
import io
import pathlib

import gin
import keras
import pytest

from spl_tf import configuration
from spl_tf.experiment.recipe import recipe


@pytest.fixture(scope="session")
def recipe_bindings(color_videos, tiny_bindings):
    """Strategies none and weak, one seed; every training takes nine steps."""
    return (
        *tiny_bindings,
        "recipe.videos = @video_folder",
        f"video_folder.folder = '{color_videos}'",
        "video_folder.target = 'target.csv'",
        "recipe.strategies = ['none', 'weak']",
        "recipe.fps = 10",
        "recipe.short_side = 32",
        "recipe.web_clip_seconds = 0.8",
        "train_stage.precision = 'float32'",
        "predict_clips.precision = 'float32'",
        "train_stage.epochs = 3",
        "train_stage.checkpoint_seconds = 0",
        "pretrain/train_stage.epochs = 0.5",
    )


def _run_recipe(output_dir: pathlib.Path, bindings):
    """(results, printed text) of a run that leaves no state behind in this process."""
    printed = io.StringIO()
    try:
        configuration.parse([], bindings)
        with contextlib.redirect_stdout(printed):
            return recipe(output_dir), printed.getvalue()
    finally:
        gin.clear_config()
        keras.mixed_precision.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def run_recipe():
    return _run_recipe


def _file_states(folder: pathlib.Path):
    """Path below the folder -> (inode, time of the last change) of every file."""
    stats = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {str(path.relative_to(folder)): (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}


@pytest.fixture(scope="session")
def file_states():
    return _file_states
