"""Where a pre-trained network looks in clips about which query and teacher disagree: the paper's figure 6."""

import numpy as np

from spl_tf.data.random_clips import cell_groups, draw_by_cell
from spl_tf.data.sidecars import read_pairs
from spl_tf.inference.chosen_clips import spl_classes
from spl_tf.inference.explanation import Explained, Target, explained_clips, too_coarse
from spl_tf.inference.overlay import overlay
from spl_tf.inference.trained_model import load_trained
from spl_tf.report.cells import CellFates, Matrix, off_diagonal
from spl_tf.report.collect import Recipe
from spl_tf.report.markup import Html, Section, element, joined, section
from spl_tf.report.pictures import figure

_CELLS = 6
_FRAMES = 4
# Of these the first that was run: classes that know of the disagreement before those that don't.
_PREFERRED = ("spl_b", "spl", "spl_m", "spl_d", "weak")


def network_to_explain(matrix: Matrix) -> CellFates | None:
    """The strategy whose network is shown."""
    by_strategy = {fates.strategy: fates for fates in reversed(matrix.fates)}
    return next((by_strategy[name] for name in _PREFERRED if name in by_strategy), None)


def explained_section(recipe: Recipe, matrix: Matrix, of: CellFates) -> Section:
    """One clip of each of the fullest cells off the diagonal, drawn at random, the same ones every time.

    Raises:
      UserError: the network, the shards or the labels are missing or damaged.
    """
    folder = recipe.run_folder(next(run for run in recipe.runs_on_web(matrix.seed) if run.name == of.name))
    trained = load_trained(folder / "pretrain")
    dataset = matrix.dataset
    cells = matrix.largest_errors(_CELLS)
    groups = cell_groups(off_diagonal(matrix.confusion), _CELLS)
    drawn = draw_by_cell(read_pairs(dataset, matrix.predictions), groups, len(cells), 1, np.random.default_rng(0))
    places = [drawn[groups[cell]][0] for cell in cells]
    known = spl_classes(dataset, places, folder / "labels")
    clips = list(explained_clips(trained, dataset, places, Target(), spl_classes=known))
    figures = [_figure(clip) for clip in clips]
    text = (
        f"Grad-CAM of the network pre-trained with {of.name}, for the class it predicts: red raised its score most. "
        f"Above {_FRAMES} frames of the clip, below the same with the map. "
        "spl_tf.explain shows other clips, classes and layers."
    )
    title = "Where the network looks"
    coarse = next((coarse for clip in clips if (coarse := too_coarse(clip.cells))), "")
    notes = [element("p", f"Here {coarse}: see an earlier one with --layer.", class_="note")] if coarse else []
    return section("explained", title, element("p", text), *notes, element("div", *figures, class_="explained"))


def _figure(clip: Explained) -> Html:
    shown = np.unique(np.linspace(0, len(clip.frames) - 1, _FRAMES).round().astype(int))
    rows = clip.frames[shown], overlay(clip.frames[shown], clip.maps[shown])
    picture = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    alt = (
        f"Frames of a clip found by {clip.weak}, in which the teacher sees {clip.teacher}, and under them where the "
        f"network looks for {clip.target}"
    )
    facts = {
        "weak label": clip.weak,
        "teacher": f"{clip.teacher}, {clip.place.confidence:.2f}",
        "SPL class": clip.spl_class,
        "predicted": f"{clip.predicted}, {clip.predicted_score:.2f}",
        "clip": clip.clip_id,
    }
    lines = [element("li", f"{name}: {value}") for name, value in facts.items()]
    heading = element("b", f"{clip.weak} queried, {clip.teacher} seen")
    return figure(picture, alt, joined(heading, element("ul", *lines, class_="fates")))
