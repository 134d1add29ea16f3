"""Which clips are explained, and what their side-cars say of them."""

import pathlib
import shutil

import numpy as np
import tensorflow as tf

from spl_tf.data.dataset import load_dataset
from spl_tf.data.sidecars import Place, open_predictions_of
from spl_tf.errors import UserError
from spl_tf.inference.chosen_clips import Choice, choose, read_clips, spl_classes, with_teacher
from spl_tf.inference.trained_model import load_trained
from tests.inference import explain_case


class ChosenClipsTest(explain_case.ExplainCase):
    def _ids(self, choice, with_predictions=True, labels="spl"):
        opened = open_predictions_of(self.dataset, self.sidecars / "p") if with_predictions else None
        places = choose(self.dataset, choice, opened, labels and self.sidecars / labels)
        by_place = {(row["shard"], row["row"]): row["clip_id"] for row in self.rows}
        return [by_place[place.shard, place.row] for place in places]

    def test_clips_are_the_first_ones_or_those_of_a_label_of_an_spl_class_or_of_ids(self):
        ids = [row["clip_id"] for row in self.rows]
        self.assertEqual(self._ids(Choice(7)), ids[:7])
        self.assertEqual(self._ids(Choice(10_000)), ids)
        green = [row["clip_id"] for row in self.rows if row["label"] == 1]
        backwards = Choice(1, clip_ids=(ids[-1], ids[3], ids[-1], ids[0]))
        for with_predictions in (False, True):
            self.assertEqual(self._ids(Choice(3, label="green"), with_predictions), green[:3])
            self.assertEqual(self._ids(backwards, with_predictions), [ids[-1], ids[3], ids[0]])
        names = [
            f"{self.dataset.classes[row['weak']]}|{self.dataset.classes[row['teacher']]}" for row in self.said("p")
        ]
        red_blue = [clip_id for clip_id, name in zip(ids, names, strict=True) if name == "red|blue"]
        self.assertNotEmpty(red_blue)
        self.assertEqual(self._ids(Choice(100, spl_class="red|blue")), red_blue)

    def test_an_unknown_clip_or_class_is_named_with_what_there_is(self):
        first = self.rows[0]["clip_id"]
        for with_predictions in (False, True):
            with self.assertRaisesRegex(UserError, f"no clip 'red9@0' and 1 more: give whole ids; .*'{first}'"):
                self._ids(Choice(clip_ids=(first, "red9@0", "x")), with_predictions)
        with self.assertRaisesRegex(UserError, "--label: .* has no class 'gren': .*like green"):
            self._ids(Choice(label="gren"))
        with self.assertRaisesRegex(UserError, r"--spl_class: .* has no class 'red\|blu': .*red\|blue"):
            self._ids(Choice(spl_class="red|blu"))
        with self.assertRaisesRegex(UserError, "--spl_class needs the labels"):
            self._ids(Choice(spl_class="red|blue"), labels=None)
        with self.assertRaisesRegex(UserError, "--clips and --spl_class each choose clips"):
            self._ids(Choice(clip_ids=("a",), spl_class="red|blue"))

    def test_side_cars_are_those_of_the_clip_wherever_it_is(self):
        places = [Place(row["shard"], row["row"]) for row in self.rows][::-2]
        said, labels = self.said("p")[::-2], self.said("agreement")[::-2]
        found = with_teacher(self.dataset, places, open_predictions_of(self.dataset, self.sidecars / "p"))
        self.assertEqual([place.teacher for place in found], [row["teacher"] for row in said])
        self.assertAllClose([place.confidence for place in found], [row["confidence"] for row in said])
        names = spl_classes(self.dataset, places, self.sidecars / "agreement")
        expected = [self.dataset.classes[row["label"]] if row["label"] >= 0 else "discarded" for row in labels]
        self.assertEqual(names, expected)
        self.assertIn("discarded", names)

    def test_a_clip_is_seen_as_evaluation_sees_it(self):
        chosen = self.rows[::-3]
        places = [Place(row["shard"], row["row"]) for row in chosen]
        batches = list(read_clips(self.dataset, places, load_trained(self.trained_dir).clip_input, 4))
        self.assertAllEqual(np.concatenate([batch["clips"] for batch in batches]), [row["clip"] for row in chosen])
        has_label = np.concatenate([batch["has_label"] for batch in batches])
        self.assertAllEqual(has_label, np.eye(3, dtype=bool)[[row["label"] for row in chosen]])
        self.assertEqual([i.decode() for batch in batches for i in batch["clip_id"]], [r["clip_id"] for r in chosen])

    def test_a_damaged_record_is_one_line_and_costs_no_other_clip(self):
        clip_input = load_trained(self.trained_dir).clip_input
        damaged = load_dataset(shutil.copytree(self.shards, self.folder / "web"))
        path = pathlib.Path(damaged.shards[1].path)
        content = bytearray(path.read_bytes())
        content[500] ^= 1  # In the first record.
        path.write_bytes(content)
        with self.assertRaisesRegex(UserError, f"a record of {damaged.folder} can't be read .*--verify"):
            list(read_clips(damaged, [Place(0, 0), Place(1, 0)], clip_input, 2))
        (batch,) = read_clips(damaged, [Place(0, 0), Place(1, 1)], clip_input, 2)
        expected = [row["clip"] for row in self.rows if (row["shard"], row["row"]) in ((0, 0), (1, 1))]
        self.assertAllEqual(batch["clips"], np.stack(expected))


if __name__ == "__main__":
    tf.test.main()
