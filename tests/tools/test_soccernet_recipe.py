"""From a folder in SoccerNet's form to a mean average precision: manifest, shards, a short training, evaluation."""

import json
import re

import cv2
import gin
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from sklearn.metrics import average_precision_score

from spl_tf import configuration, evaluate, shard
from spl_tf.data.dataset import load_dataset
from spl_tf.data.record import clip_from_bytes
from spl_tf.hardware.distribution import device_strategy
from spl_tf.inference.evaluation import average_videos
from spl_tf.inference.scores import score_trained
from spl_tf.inference.trained_model import load_trained
from spl_tf.training.stage import train_stage
from tests.commands import run_command
from tools.soccernet import manifest

pytestmark = pytest.mark.slow

CLASSES = ("Background", "Card", "Goal", "Substitution")
COLORS = {"Background": (40, 160, 40), "Card": (40, 220, 220), "Goal": (40, 40, 220), "Substitution": (220, 60, 40)}
SECONDS, FPS = 150, 5
# Seconds in the video of each half, label as annotated, class.
EVENTS = (
    ((16, "Goal", "Goal"), (60, "Yellow card", "Card"), (104, "Substitution", "Substitution"), (140, "Foul", None)),
    ((20, "Goal", "Goal"), (62, "Yellow->red card", "Card"), (100, "Substitution", "Substitution")),
)
OF_VERSION_1 = {"Yellow card": "y-card", "Yellow->red card": "yr-card", "Substitution": "substitution-in"}


def render_half(path, events, generator):
    """Green with noise, for ten seconds around an event in the colour of its class."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), FPS, (64, 36))
    for frame in range(SECONDS * FPS):
        near = [name for second, _, name in events if name and abs(frame / FPS - second) <= 5.5]
        picture = np.array(COLORS[near[0] if near else "Background"]) + generator.normal(0, 15, (36, 64, 3))
        writer.write(np.clip(picture, 0, 255).astype(np.uint8))
    writer.release()


def annotations_of(version, stoppage):
    """The events of both halves; those beyond 45 minutes of the game lie outside of the short video."""
    rows = []
    for half, events in enumerate(EVENTS, 1):
        for number, (second, label, name) in enumerate(events):
            row = {"gameTime": f"{half} - {second // 60:02}:{second % 60:02}", "team": "home"}
            if version == 2:  # The clock of the game is ahead of the video.
                row |= {"gameTime": f"{half} - 45:{second % 60:02}", "position": str(1000 * second)}
                rows.append(row | {"label": label, "visibility": "visible"})
            elif name:
                goal = "soccer-ball-own" if number % 2 else "soccer-ball"
                rows.append(row | {"label": OF_VERSION_1.get(label, goal)})
    rows += [{"gameTime": f"2 - 4{minute}:10", "label": stoppage} for minute in (7, 8)]
    return {"annotations": [*rows, rows[0]]}


@pytest.fixture(scope="module")
def soccernet(tmp_path_factory):
    """Five games: three of them whole, one without a second half, one with broken JSON."""
    folder = tmp_path_factory.mktemp("soccernet")
    generator = np.random.default_rng(0)
    for number in range(5):
        name = f"england_epl/2014-2015/2015-02-2{number} - 18-00 Home {number} - 1 Away"
        game = folder / "SoccerNet" / name
        game.mkdir(parents=True)
        version = 2 if number % 2 else 1
        content = json.dumps(annotations_of(version, "Red card" if version == 2 else "r-card"))
        labels = "Labels-v2.json" if version == 2 else "Labels.json"
        (game / labels).write_text("{" if number == 4 else content)
        for half, events in enumerate(EVENTS, 1):
            if (number, half) != (3, 2):
                render_half(game / f"{half}_224p.mkv", events, generator)
        with open(folder / ("valid.txt" if number in (1, 4) else "train.txt"), "a") as listed:
            listed.write(f"{name}\n")
    return folder


def execute(module, *arguments):
    """Runs a command that must succeed: stdout."""
    code, out, err = run_command(module, *arguments)
    assert code == 0, err
    return out


class SoccerNetRecipeTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, soccernet, tiny_bindings):
        self.folder, self.bindings = soccernet, tiny_bindings

    def make_shards(self, split, name):
        """Manifest and shards of a split; what the first command said."""
        said = execute(
            manifest,
            *(f"--games={self.folder}/SoccerNet", f"--games_list={self.folder}/{split}.txt"),
            *(f"--output={self.folder}/{name}.csv", f"--classes={self.folder}/classes.txt"),
            "--background_distance=8",
        )
        execute(
            shard,
            *(f"--manifest={self.folder}/{name}.csv", f"--classes={self.folder}/classes.txt"),
            *(f"--output_dir={self.folder}/{name}", "--clip_seconds=0", "--keep_duplicates", f"--fps={FPS}"),
            *("--short_side=36", "--workers=1"),
        )
        return said

    def test_from_games_to_a_mean_average_precision(self):
        said = self.make_shards("train", "target_train")
        # Games 0 and 2 whole, game 3 with one half: three events a half, and a third of that as Background.
        self.assertIn("20 clips of 3 games (Background 5, Card 5, Goal 5, Substitution 5)", said)
        for reason in ("event outside of the video 4,", "event of a half without video 5", "no video 1"):
            self.assertIn(reason, said)
        said = self.make_shards("valid", "test")
        self.assertIn("8 clips of 1 games (Background 2, Card 2, Goal 2, Substitution 2)", said)
        for reason in ("event outside of the video 2", "repeated annotation 1", "damaged annotations 1"):
            self.assertIn(reason, said)

        for name in ("target_train", "test"):
            dataset = load_dataset(self.folder / name)
            self.assertEqual((dataset.classes, dataset.rejected), (CLASSES, {}))
            for part in dataset.shards:
                for record in tf.data.TFRecordDataset(part.path).as_numpy_iterator():
                    self.assert_shows_its_class(clip_from_bytes(record))

        configuration.parse([], [*self.bindings, "train_stage.precision = 'float32'"])
        with gin.config_scope("finetune"):
            train_stage("finetune", self.folder / "finetune", train_shards=self.folder / "target_train")
        gin.clear_config()
        said = execute(
            evaluate,
            *(f"--model_dir={self.folder}/finetune", f"--shards={self.folder}/test"),
            "--gin_param=evaluate_model.background = 'Background'",
        )
        self.assert_precisions_are_scikit_learns(said)

    def assert_shows_its_class(self, clip):
        """Ten seconds of the class's colour, from the first frame to the last."""
        self.assertEqual(len(clip.frames), 10 * FPS)
        for jpeg in clip.frames:
            color = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).mean(axis=(0, 1))
            distances = {name: np.linalg.norm(color - other) for name, other in COLORS.items()}
            self.assertEqual([min(distances, key=distances.get)], clip.label_texts, clip.clip_id)

    def assert_precisions_are_scikit_learns(self, said):
        strategy = device_strategy()
        with strategy.scope():
            trained = load_trained(self.folder / "finetune", "float32")
        dataset = load_dataset(self.folder / "test")
        options = {"batch_size": 16, "num_views": 1, "description": "score"}
        videos = average_videos(score_trained(trained, dataset, strategy, **options))
        labels, scores = videos.single_labels(), videos.means()
        expected = {
            name: average_precision_score(labels == place, scores[:, place]) for place, name in enumerate(CLASSES)
        }
        metrics = json.loads((self.folder / "finetune/evaluate-test/metrics.json").read_text())
        found = {name: row["average_precision"] for name, row in metrics["per_class"].items()}
        self.assertAllClose(found, expected)
        mean = metrics["mean_average_precision"]
        self.assertBetween(mean, 0.0, 1.0)
        self.assertAllClose(mean, np.mean([expected[name] for name in ("Card", "Goal", "Substitution")]))
        for name, precision in expected.items():
            self.assertRegex(said, rf"{name} +2 videos .* AP +{re.escape(f'{100 * precision:.1f}')} %")
        self.assertIn(f"mAP {100 * mean:.2f} %", said)


if __name__ == "__main__":
    tf.test.main()
