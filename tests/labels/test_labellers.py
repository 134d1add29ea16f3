import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import labels
from spl_tf.errors import UserError
from spl_tf.labels import labellers
from spl_tf.labels.confusion import clips_per_class, count_pairs, samples_cover_ratio

# The drawing in the docstring of labellers.py.
CLASSES = ("run", "jump", "swim")
CONFUSION = np.array([[90, 40, 2], [7, 80, 30], [1, 0, 60]])
DRAWN = {
    "weak": [[0, 0, 0], [1, 1, 1], [2, 2, 2]],
    "teacher": [[0, 1, 2], [0, 1, 2], [0, 1, 2]],
    "agreement": [[0, -1, -1], [-1, 1, -1], [-1, -1, 2]],
    "spl": [[0, 1, 2], [3, 4, 5], [6, 7, 8]],
    "spl_b": [[0, 3, 3], [4, 1, 4], [5, 5, 2]],
    "spl_m": [[0, 3, 0], [1, 1, 4], [2, 2, 2]],
    "spl_d": [[0, 3, -1], [-1, 1, 4], [-1, -1, 2]],
}


def brute_force(strategy, weak, teacher, num_classes, num_labels):
    """Labels by their definitions: one clip at a time, dictionaries instead of tables."""
    clips_of_cell = {}
    for pair in zip(weak, teacher, strict=True):
        clips_of_cell[pair] = clips_of_cell.get(pair, 0) + 1
    off_diagonal = [cell for cell in clips_of_cell if cell[0] != cell[1]]
    off_diagonal.sort(key=lambda cell: (-clips_of_cell[cell], num_classes * cell[0] + cell[1]))
    id_of_cell = {(c, c): c for c in range(num_classes)}
    for position, cell in enumerate(off_diagonal[: num_labels - num_classes]):
        id_of_cell[cell] = num_classes + position
    labels = []
    for l, t in zip(weak, teacher, strict=True):  # noqa: E741
        labels.append(
            {
                "weak": l,
                "teacher": t,
                "agreement": l if l == t else -1,
                "spl": num_classes * l + t,
                "spl_m": id_of_cell.get((l, t), l),
                "spl_d": id_of_cell.get((l, t), -1),
                "spl_b": l if l == t else num_classes + l,
            }[strategy]
        )
    return labels


def build(strategy, num_labels):
    """A labeller with the option, where it has it."""
    options = {"num_labels": num_labels} if strategy in ("spl_m", "spl_d") else {}
    return labels.labeller(strategy, **options)


class LabellersTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(*DRAWN)
    def test_the_drawing_in_the_docstring_is_what_the_strategies_do(self, strategy):
        label_map = build(strategy, 5).fit(CONFUSION, CLASSES)
        self.assertAllEqual(label_map.table, DRAWN[strategy])
        drawn_row = "  ".join(" ".join("." if i < 0 else str(i) for i in DRAWN[s][1]) for s in DRAWN)
        self.assertIn(drawn_row.split(), [line.split() for line in labellers.__doc__.splitlines()])

    @parameterized.product(strategy=list(DRAWN), num_labels=[7, 13, 20, 49], seed=[0, 1])
    def test_labels_equal_a_loop_over_clips(self, strategy, num_labels, seed):
        rng = np.random.default_rng(seed)
        # 60 clips over 49 cells: many ties and empty cells, class 6 never met as a query.
        weak, teacher = rng.integers(6, size=60), rng.integers(7, size=60)
        teacher = np.where(rng.random(60) < 0.4, weak, teacher)
        confusion = count_pairs(weak, teacher, 7)
        label_map = build(strategy, num_labels).fit(confusion, list("abcdefg"))

        given = label_map.apply(weak.astype(np.int32), teacher.astype(np.int32))
        expected = brute_force(strategy, weak.tolist(), teacher.tolist(), 7, num_labels)
        self.assertEqual(given.dtype, np.int32)
        self.assertAllEqual(given, expected)
        self.assertLess(max(expected), label_map.num_classes)
        kept = [label for label in expected if label >= 0]
        self.assertAllEqual(clips_per_class(confusion, label_map), np.bincount(kept, minlength=label_map.num_classes))

    @parameterized.parameters((4, 16), (14, 196))
    def test_spl_has_the_papers_number_of_classes(self, num_classes, expected):
        label_map = labels.spl(np.zeros((num_classes, num_classes), int), [str(i) for i in range(num_classes)])
        self.assertEqual(label_map.num_classes, expected)
        self.assertLen(set(label_map.class_names), expected)

    def test_spl_b_merges_to_two_classes_per_row(self):
        label_map = labels.spl_b(np.ones((9, 9), int), list("abcdefghi"))
        self.assertEqual(label_map.num_classes, 18)
        for row in label_map.table:
            self.assertLen(set(row.tolist()), 2)

    def test_agreement_discards_exactly_the_off_diagonal(self):
        label_map = labels.agreement(CONFUSION, CLASSES)
        self.assertAllEqual(label_map.table < 0, ~np.eye(3, dtype=bool))

    @parameterized.parameters(3, 4, 5, 8)
    def test_spl_d_keeps_the_cells_of_spl_m(self, num_labels):
        merge = labels.spl_m(CONFUSION, CLASSES, num_labels=num_labels)
        discard = labels.spl_d(CONFUSION, CLASSES, num_labels=num_labels)
        self.assertAllEqual(merge.selected, discard.table >= 0)
        self.assertAllEqual(merge.table[merge.selected], discard.table[merge.selected])
        self.assertEqual(merge.class_names, discard.class_names)

    def test_with_n_labels_spl_m_is_weak_and_spl_d_is_agreement(self):
        self.assertAllEqual(labels.spl_m(CONFUSION, CLASSES, num_labels=3).table, DRAWN["weak"])
        self.assertAllEqual(labels.spl_d(CONFUSION, CLASSES, num_labels=3).table, DRAWN["agreement"])

    def test_num_labels_may_be_a_fraction_of_n(self):
        # The paper's 4500 classes over 200 queries: K = 22.5.
        confusion = np.random.default_rng(0).integers(1, 50, (200, 200))
        label_map = labels.spl_d(confusion, [str(i) for i in range(200)], num_labels=4500)
        self.assertEqual(label_map.num_classes, 4500)
        least_kept = confusion[label_map.table >= 200].min()
        self.assertLessEqual(confusion[label_map.table < 0].max(), least_kept)

    def test_default_number_of_labels_is_two_per_class(self):
        self.assertEqual(labels.spl_m(np.ones((5, 5), int), list("abcde")).num_classes, 10)
        self.assertEqual(labels.spl_m(np.ones((1, 1), int), ["a"]).num_classes, 1)

    def test_empty_cells_are_never_kept_and_the_shrinkage_is_told(self):
        with self.assertLogs("absl", "WARNING") as logs:
            label_map = labels.spl_m(np.array([[0, 3, 0], [0, 1, 0], [2, 0, 0]]), CLASSES, num_labels=9)
        self.assertEqual(label_map.class_names, ("run", "jump", "swim", "run|jump", "swim|run"))
        self.assertIn("5 classes instead of 9", logs.output[0])

    @parameterized.parameters(2, 10)
    def test_an_impossible_number_of_labels_is_refused(self, num_labels):
        with self.assertRaisesRegex(UserError, f"num_labels is {num_labels}.* 3 to 9"):
            labels.spl_m(CONFUSION, CLASSES, num_labels=num_labels)

    def test_names_of_new_classes_tell_query_and_prediction(self):
        self.assertEqual(labels.spl(CONFUSION, CLASSES).class_names[:4], ("run", "run|jump", "run|swim", "jump|run"))
        self.assertEqual(labels.spl_b(CONFUSION, CLASSES).class_names[2:4], ("swim", "run|other"))
        self.assertEqual(labels.spl_d(CONFUSION, CLASSES, num_labels=5).class_names[3:], ("run|jump", "jump|swim"))

    @parameterized.parameters(
        (("push", "pull", "push|pull"), "spl", {1: "push||pull", 8: "push|pull", 2: "push||push|pull"}),
        (("push", "pull", "push|pull"), "spl_m", {2: "push|pull", 3: "push||pull"}),
        (("push", "pull", "push|pull"), "spl_b", {2: "push|pull", 5: "push|pull|other"}),
        (("run", "run|other", "swim"), "spl_b", {1: "run|other", 3: "run||other", 4: "run|other||other"}),
        (("a", "a|b", "c"), "spl", {1: "a|a|b"}),
    )
    def test_classes_with_bars_in_their_names_give_classes_of_distinct_names(self, classes, strategy, expected):
        fitted = build(strategy, 5).fit(CONFUSION, classes, {})
        self.assertLen(set(fitted.class_names), len(fitted.class_names))
        self.assertEqual({place: fitted.class_names[place] for place in expected}, expected)

    def test_names_that_nothing_keeps_apart_are_refused(self):
        with self.assertRaisesRegex(UserError, "two classes would be called 'a|.*c': rename the classes"):
            labels.spl(np.ones((4, 4), int), ("a", "a|", "c", "|c"))

    @parameterized.parameters(
        ("SPL-B", {}, "there is no strategy 'SPL-B': did you mean spl_b\\? The strategies are weak, teacher,"),
        ("spl_b", {"num_labels": 4}, "^spl_b has no option num_labels; spl_m, spl_d and spl_ib have$"),
        ("spl_m", {"threshold": 4}, "^spl_m has no option threshold; mopro has$"),
        ("spl_m", {"num_label": 4}, "^spl_m has no option num_label; did you mean num_labels\\? it has num_labels$"),
        ("weak", {"x": 4}, "^weak has no option x; it has none$"),
        ("spl_m", {"num_labels": "many"}, "^spl_m: num_labels is 'many': give a whole number or None$"),
        ("spl_d", {"num_labels": 4.0}, "^spl_d: num_labels is 4.0: give a whole number or None$"),
        ("spl_d", {"num_labels": True}, "^spl_d: num_labels is True: give"),
        ("mopro", {"threshold": None}, "^mopro: threshold is None: give a number$"),
    )
    def test_a_wrong_name_or_option_is_refused_with_the_nearest(self, name, options, message):
        with self.assertRaisesRegex(UserError, message):
            labels.labeller(name, **options)

    def test_a_labeller_is_named_as_its_function_and_knows_its_options_and_statistics(self):
        entries = labellers.PAIR_LABELLERS
        self.assertEqual({name for name in entries if getattr(labels, name) is entries[name].function}, set(entries))
        with_options = {name: list(entry.parameters) for name, entry in entries.items() if entry.parameters}
        expected = {name: ["num_labels"] for name in ("spl_m", "spl_d", "spl_ib")} | {"mopro": ["threshold"]}
        self.assertEqual(with_options, expected)
        self.assertEqual([name for name, entry in entries.items() if not entry.uses_teacher], ["weak"])
        for name in ("dawid_skene", "spl_ib"):
            self.assertEqual(entries[name].statistics, ("mean_scores",))
        self.assertEqual(
            [name for name, entry in entries.items() if entry.needs_held_out], ["cell_posterior", "crowdlab"]
        )
        self.assertEqual([name for name, entry in entries.items() if entry.by_scores], ["mopro", "crowdlab"])
        for entry in entries.values():
            given = {"mean_scores": np.zeros((3, 3, 3)), "teacher_rates": np.full((3, 3), 1 / 3)}
            self.assertEqual(bool(entry.fit(CONFUSION, CLASSES, given).columns), entry.by_scores)
        self.assertEqual(labels.labeller("mopro", threshold=1).fit(CONFUSION, CLASSES).threshold, 1)

    def test_samples_cover_ratio_counts_the_diagonal(self):
        # Kept off the diagonal: 40 and 30.
        expected = (90 + 80 + 60 + 40 + 30) / 310
        for strategy in (labels.spl_m, labels.spl_d):
            self.assertAlmostEqual(samples_cover_ratio(CONFUSION, strategy(CONFUSION, CLASSES, num_labels=5)), expected)
        self.assertEqual(samples_cover_ratio(CONFUSION, labels.spl_b(CONFUSION, CLASSES)), 1)
        self.assertAlmostEqual(samples_cover_ratio(CONFUSION, labels.agreement(CONFUSION, CLASSES)), 230 / 310)


if __name__ == "__main__":
    tf.test.main()
