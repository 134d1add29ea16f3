"""Annotations of both versions, whole and damaged, become events, and each fault a problem."""

import json
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from tools.soccernet import annotations

V1_LABELS = ("soccer-ball", "soccer-ball-own", "y-card", "r-card", "yr-card", "substitution-in")
V1_CLASSES = ("Goal", "Goal", "Card", "Card", "Card", "Substitution")
V2_LABELS = (
    *("Penalty", "Kick-off", "Goal", "Substitution", "Offside", "Shots on target", "Shots off target", "Clearance"),
    *("Ball out of play", "Throw-in", "Foul", "Indirect free-kick", "Direct free-kick", "Corner", "Yellow card"),
    *("Red card", "Yellow->red card"),
)
V2_CLASSES = {"Goal": "Goal", "Substitution": "Substitution"} | dict.fromkeys(V2_LABELS[-3:], "Card")


def annotated(*events):
    """An annotation file of (time, label) pairs or whole annotations."""
    rows = [
        event if isinstance(event, dict) else dict(zip(("gameTime", "label"), event, strict=True)) for event in events
    ]
    return json.dumps({"UrlLocal": "x", "annotations": rows})


class AnnotationsTest(parameterized.TestCase, tf.test.TestCase):
    def read(self, version=None, **labels):
        """Events as (half, seconds, class) and problems as (reason, source), of files with these contents."""
        folder = pathlib.Path(self.create_tempdir().full_path)
        for name, content in labels.items():
            (folder / annotations.FILES[name]).write_text(content, encoding="utf-8")
        self.found, problems = annotations.read_game(folder, "g", version)
        self.assertEqual({problem.game for problem in problems} | {"g"}, {"g"})
        events = self.found.events if self.found else ()
        return (
            [(event.half, event.time_ms / 1000, event.class_name) for event in events],
            [(problem.reason, problem.source) for problem in problems],
        )

    def test_labels_of_the_first_version(self):
        self.assertEqual(tuple(map(annotations.class_of, V1_LABELS)), V1_CLASSES)

    def test_labels_of_the_second_version(self):
        self.assertEqual([*map(annotations.class_of, V2_LABELS)], [*map(V2_CLASSES.get, V2_LABELS)])
        with self.assertRaises(KeyError):
            annotations.class_of("Rain")

    def test_events_of_no_class_are_moments_only(self):
        events, problems = self.read(v2=annotated(("1 - 02:00", "Throw-in"), ("2 - 47:05", "Goal")))
        self.assertEqual((events, problems), ([(2, 2825.0, "Goal")], []))
        self.assertEqual(self.found.moments, ((1, 120_000), (2, 2_825_000)))
        self.assertTrue(self.found.is_complete)

    @parameterized.parameters(
        *(
            ("75000", 75.0),
            (75_250, 75.25),
            (" 1.5 ", 0.002),
            ("x", 120.0),
            ("-1", 120.0),
            (None, 120.0),
            (True, 120.0),
        ),
        *(("nan", 120.0), (float("nan"), 120.0), (float("inf"), 120.0), (["75000"], 120.0)),
    )
    def test_the_position_in_the_video_is_preferred_to_the_time_of_the_game(self, position, seconds):
        content = annotated({"gameTime": "1 - 02:00", "label": "Goal", "position": position})
        events, problems = self.read(v2=content)
        self.assertEqual(events, [(1, seconds, "Goal")])
        reasons = {
            *("damaged position ('x', gameTime taken)", "damaged position ('-1', gameTime taken)"),
            *("damaged position ('nan', gameTime taken)", "damaged position ('inf', gameTime taken)"),
            "damaged position ('', gameTime taken)",
        }
        self.assertLen(problems, int(seconds == 120.0 and position is not None))
        self.assertContainsSubset({reason for reason, _ in problems}, reasons)
        self.assertTrue(self.found.is_complete)

    def test_the_second_version_is_preferred_and_one_can_be_asked_for(self):
        labels = {"v1": annotated(("1 - 02:00", "soccer-ball")), "v2": annotated(("1 - 02:01", "Goal"))}
        events, problems = self.read(**labels)
        self.assertEqual(events, [(1, 121.0, "Goal")])
        self.assertEqual(problems, [("other annotations used (Labels-v2.json)", "Labels.json")])
        self.assertEqual(self.found.moments, ((1, 120_000), (1, 121_000)))
        for version, seconds in (("v1", 120.0), ("v2", 121.0)):
            self.assertEqual(self.read(version, **labels), ([(1, seconds, "Goal")], []))
            self.assertEqual(self.found.moments, ((1, 1000 * seconds),))

    def test_a_version_that_is_not_there_is_missing(self):
        content = annotated(("1 - 02:00", "soccer-ball"))
        self.assertEqual(self.read("v2", v1=content), ([], [("no annotations (no Labels-v2.json)", "")]))
        self.assertEqual(self.read(), ([], [("no annotations (no Labels file)", "")]))
        self.assertIsNone(self.found)

    @parameterized.parameters(
        ("{", "Expecting"),
        ("[]", "no list 'annotations'"),
        ("null", "no list 'annotations'"),
        ('{"annotations": {"1": 2}}', "no list 'annotations'"),
        ('{"annotations": []}', "the list 'annotations' is empty"),
        ("[" * 200_000, "nested too deeply"),
        ('{"annotations": [], "x": ' + "9" * 5000 + "}", "Exceeds the limit"),
    )
    def test_of_a_damaged_file_the_other_version_is_read(self, content, reason):
        events, problems = self.read(v2=content, v1=annotated(("1 - 02:00", "soccer-ball")))
        self.assertEqual(events, [(1, 120.0, "Goal")])
        ((found, source),) = problems
        self.assertEqual(source, "Labels-v2.json")
        self.assertStartsWith(found, f"damaged annotations ({reason}")
        self.assertEqual(self.read(v2=content)[1], problems)
        self.assertIsNone(self.found)

    def test_damage_of_the_file_that_is_not_chosen_leaves_the_annotations_incomplete(self):
        good, late = annotated(("1 - 02:00", "soccer-ball")), annotated(("1 - 02:00", "Goal"))
        half = annotated(("1 - 02:00", "soccer-ball"), ("1 - xx", "y-card"))
        for labels in ({"v2": "{", "v1": good}, {"v2": late, "v1": "{"}, {"v2": late, "v1": half}):
            self.assertLen(self.read(**labels)[0], 1)
            self.assertFalse(self.found.is_complete, labels)
        reasons = self.read(v2=late, v1=half)[1]
        self.assertIn(("damaged annotation (gameTime '1 - xx')", "Labels.json annotation 2"), reasons)
        self.assertEqual(self.read("v2", v2=late, v1="{")[1], [])
        self.assertTrue(self.found.is_complete)

    def test_text_that_is_not_utf8_is_damaged(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "Labels.json").write_bytes(b'{"annotations": "\xff"}')
        _, (problem,) = annotations.read_game(folder, "g", None)
        self.assertIn("can't decode byte", problem.reason)

    def test_each_damaged_annotation_is_named(self):
        good = {"gameTime": "1 - 02:00", "label": "soccer-ball"}
        damaged = (
            (7, "damaged annotation (not an object)"),
            ({"label": "y-card"}, "damaged annotation (gameTime '')"),
            ({"gameTime": 7, "label": "y-card"}, "damaged annotation (gameTime '7')"),
            ({"gameTime": "3 - 02:00", "label": "y-card"}, "damaged annotation (gameTime '3 - 02:00')"),
            ({"gameTime": "1 - 02:72", "label": "y-card"}, "damaged annotation (gameTime '1 - 02:72')"),
            ({"gameTime": "1 - 03:00"}, "damaged annotation (no label)"),
            ({"gameTime": "1 - 04:00", "label": ["y-card"]}, "damaged annotation (no label)"),
            ({"gameTime": "1 - 05:00", "label": "rain"}, "unknown label"),
            (
                {"gameTime": "1 - 02:00", "label": "soccer-ball-own"},
                "repeated annotation (see Labels.json annotation 1)",
            ),
            ({"gameTime": "1 - 06:00", "label": "y-card", "visibility": "not shown"}, "not shown"),
        )
        for row, reason in damaged:
            events, problems = self.read(v1=json.dumps({"annotations": [good, row]}))
            self.assertEqual(events, [(1, 120.0, "Goal")])
            self.assertEqual(problems, [(reason, "Labels.json annotation 2")])
            self.assertEqual(self.found.is_complete, "gameTime" not in reason and "object" not in reason)

    def test_two_classes_at_one_moment_are_two_events(self):
        events, problems = self.read(v1=annotated(("1 - 02:00", "soccer-ball"), ("1 - 02:00", "y-card")))
        self.assertEqual((events, problems), ([(1, 120.0, "Goal"), (1, 120.0, "Card")], []))


if __name__ == "__main__":
    tf.test.main()
