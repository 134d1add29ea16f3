"""`report.html`: everything a recipe found, in one file that needs no network."""

import importlib.resources
import pathlib
import platform
from collections.abc import Callable, Sequence

import cv2
import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

import spl_tf
from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.experiment.table import Result
from spl_tf.report.cells import read_matrix
from spl_tf.report.collect import Recipe
from spl_tf.report.confused import confused_section
from spl_tf.report.explained import explained_section, network_to_explain
from spl_tf.report.labels import coverage_section, fates_section, tail_section
from spl_tf.report.markup import Html, Section, element, joined, section, table
from spl_tf.report.matrix import matrix_section
from spl_tf.report.results import disagreement, results_section
from spl_tf.report.tested import tested_sections
from spl_tf.report.training import timing_section, training_section
from spl_tf.stages import STAGES

REPORT_FILE = "report.html"

# The page loads nothing, whatever a name in it may say.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_report(output_dir: files.Path, results: Sequence[Result]) -> pathlib.Path:
    """Writes the report of a finished recipe.

    A part whose files are gone or damaged says so; the others are shown all the same.

    Args:
      output_dir: of the recipe; gets `report.html`.
      results: its runs, at least one.

    Returns:
      The file.
    """
    recipe = Recipe(pathlib.Path(output_dir), list(results))
    path = recipe.folder / REPORT_FILE
    files.write_text(path, make_page(recipe))
    return path


def make_page(recipe: Recipe) -> Html:
    sections = [results_section(recipe)]
    sections += _shown("tested", "Test, class by class", lambda: tested_sections(recipe))
    sections += _web_sections(recipe)
    sections += _shown("training", "Training", lambda: [training_section(recipe)])
    sections += _shown("timing", "Timing", lambda: [timing_section(recipe)])
    sections.append(_configuration_section(recipe))
    title = f"{recipe.folder.resolve().name}: recipe report"
    package = importlib.resources.files("spl_tf.report")
    style, script = (Html(package.joinpath(name).read_text("utf-8")) for name in ("style.css", "script.js"))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("link", rel="icon", href="data:,"),
        element("style", style),
    )
    body = element(
        "body",
        element("a", "Skip to the results", href="#results", class_="skip"),
        element("header", element("h1", title), element("p", _summary(recipe)), _contents(sections)),
        element("main", *(one.markup for one in sections)),
        element("footer", f"Written by spl_tf {spl_tf.__version__}."),
        element("script", script),
    )
    return joined(Html("<!DOCTYPE html>\n"), element("html", head, body, lang="en"), Html("\n"))


def _web_sections(recipe: Recipe) -> list[Section]:
    """Everything about the web set; a line where there is none."""
    title = "Queries and predictions"
    if not any(run.web for run in recipe.results):
        text = "There is no matrix and there are no labels: no strategy of this recipe was pre-trained on any that a "
        text += "teacher's predictions made."
        return [section("matrix", title, element("p", text, class_="note"))]

    def matrix_sections() -> list[Section]:
        matrix = read_matrix(recipe)
        parts = [matrix_section(matrix), fates_section(recipe, matrix), coverage_section(recipe, matrix)]
        if matrix.largest_errors(1):
            parts += _shown("confused", "Most confused cells", lambda: [confused_section(matrix)])
            if of := network_to_explain(matrix):
                parts += _shown("explained", "Where the network looks", lambda: [explained_section(recipe, matrix, of)])
        return parts

    return [*_shown("matrix", title, matrix_sections), *_shown("tail", "Long tail", lambda: [tail_section(recipe)])]


def _shown(identity: str, title: str, make: Callable[[], list[Section]]) -> list[Section]:
    """The sections; or one that says why there are none."""
    try:
        return make()
    except UserError as error:
        return [section(identity, title, element("p", f"Not shown: {error}", class_="note missing"))]


def _summary(recipe: Recipe) -> str:
    seeds = recipe.seeds
    seeds_text = f"{len(seeds)} seeds ({', '.join(map(str, seeds))})" if len(seeds) > 1 else f"seed {seeds[0]}"
    text = f"Strategies {', '.join(recipe.names)}; {seeds_text}; {len(recipe.results)} runs."
    return f"{text} {disagreement(recipe)}".rstrip()


def _contents(sections: Sequence[Section]) -> Html:
    links = [element("li", element("a", one.title, href=f"#{one.identity}")) for one in sections]
    return element("nav", element("ul", *links), aria_label="Sections")


def _configuration_section(recipe: Recipe) -> Section:
    """The operative configuration of the first run's stages, and what this process ran on."""
    run = next((run for run in recipe.results if run.classes), recipe.results[0])
    folders = {stage: recipe.run_folder(run) / stage for stage in STAGES}
    if run.web:
        folders["teacher"] = run.web.teacher
    parts = []
    for stage, folder in folders.items():
        path = folder / "operative_config.gin"
        if path.exists():
            content = element("pre", element("code", path.read_text("utf-8", errors="replace")), tabindex=0)
            summary = element("summary", f"{stage}: {path.relative_to(recipe.folder)}")
            parts.append(element("details", summary, content, id=f"config-{stage}"))
    versions = [["Python", platform.python_version()], ["System", f"{platform.system()} {platform.machine()}"]]
    versions += [[module.__name__, module.__version__] for module in (spl_tf, tf, keras, np, cv2, pa)]
    columns = {"package": "Package", "version": "Version"}
    parts.append(table("versions-table", "Versions of the process that wrote this page", columns, versions))
    text = "Parameters each stage used, as a gin file that repeats it; with those of the stages before in its session."
    return section("configuration", "Configuration", element("p", text), *parts)
