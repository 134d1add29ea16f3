"""Class names as the data sets publish them become lemmatised queries; every one is accounted for."""

import json
import pathlib
import random
import re
import string

import tensorflow as tf
from absl.testing import parameterized

from tests.commands import last_line, run_command
from tests.written import csv_rows
from tools.noisyactions2m import captions, class_names, lemmas, queries


class LemmasTest(parameterized.TestCase):
    @parameterized.parameters(
        ("BasketballDunk", "basketball dunk"),
        ("PlayingGuitar", "play guitar"),
        ("playing guitar", "play guitar"),
        ("playing_guitar", "play guitar"),
        ("playing+music", "play music"),
        ("Sitting", "sit"),
        ("sit", "sit"),
        ("Putting [something] on [something]", "put something on something"),
        ("bend/bow (at the waist)", "bend bow at the waist"),
        ("Throwing a bag/box somewhere", "throw a bag box somewhere"),
        ("push-ups", "push up"),
        ("YoYo", "yo yo"),
        ("BMX", "bmx"),
        ("Brushing teeth", "brush tooth"),
        ("knives", "knife"),
        ("raking leaves", "rake leaf"),
        ("Rose", "rose"),  # A flower as well: not of to rise.
        ("glasses", "glasses"),
        ("Putting on pants", "put on pants"),
        ("anything", "anything"),
        ("building", "building"),
        ("building cabinet", "build cabinet"),
        ("a man is hanging a painting", "a man be hang a painting"),
        ("zorbing", "zorbing"),  # Not in the dictionary.
        ("e.g. rock'n'roll, R&B!", "e.g rock'n'roll r&b"),
        ("  ¿¡", ""),
        ("", ""),
    )
    def test_text_and_its_lemmas(self, text, expected):
        self.assertEqual(lemmas.lemmatised(text), expected.replace("¿¡", ""))

    def test_a_query_is_its_own_query(self):
        names = ["HorseRiding", "Someone is going from standing to sitting", "doing nails", "leaves", "skiing slalom"]
        for name in names:
            once = lemmas.lemmatised(name)
            self.assertEqual(lemmas.lemmatised(once), once)

    def test_every_word_of_a_text_has_a_place_in_its_query(self):
        generator = random.Random(0)
        letters = string.ascii_letters + " _-/[]().,'&+éß\N{CJK UNIFIED IDEOGRAPH-4E2D}0"
        for _ in range(500):
            text = "".join(generator.choices(letters, k=generator.randrange(30)))
            self.assertLen(lemmas.lemmatised(text).split(), len(lemmas.words_of(text)))
            kept = re.sub(r"\W|_", "", "".join(lemmas.words_of(text)))
            self.assertEqual(kept, re.sub(r"\W|_", "", text.lower()))


class FormsTest(parameterized.TestCase, tf.test.TestCase):
    def write(self, name, content):
        path = pathlib.Path(self.create_tempdir().full_path, name)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    @parameterized.parameters(
        ("classInd.txt", "1 ApplyEyeMakeup\r\n2 ApplyLipstick\r\n", ["ApplyEyeMakeup", "ApplyLipstick"]),
        ("Charades_v1_classes.txt", "c000 Holding some clothes\nc001 Putting a bag somewhere\n",
         ["Holding some clothes", "Putting a bag somewhere"]),
        ("moments_categories.txt", "clapping,0\nadult+male+singing,1\n", ["clapping", "adult+male+singing"]),
        ("labels.txt", "aikido\n3x3 basketball\n\naikido\n", ["aikido", "3x3 basketball"]),
        ("plain.txt", "2 point conversion\nbowling, 10 pin\n", ["2 point conversion", "bowling, 10 pin"]),
        ("k.csv", "label,youtube_id,split\nabseiling,a,val\nabseiling,b,val\nzumba,c,val\n",
         ["abseiling", "zumba"]),
        ("ids.csv", "id,name\n0,abseiling\n1,air drumming\n", ["abseiling", "air drumming"]),
        ("HACS_clips.csv", "classname,video_id,subset,start,end,label\nArchery,x,training,0,2,-1\n", ["Archery"]),
        ("HVU_Train.csv", "Tags,youtube_id,time_start,time_end\nbungee_jumping|sky,a,0,1\nsky|sea,b,0,1\n",
         ["bungee_jumping", "sky", "sea"]),
        ("HVU_vocabulary.csv", "Tag,Category\nabseiling,action\n", ["abseiling"]),
        ("vocabulary.csv", 'Index,TrainVideoCount,KnowledgeGraphId,Name,WikiUrl\n0,7,/m/03bt1gh,Game,u\n1,5,/m/0x,,u\n',
         ["Game", ""]),
        ("activity_net.v1-3.json",
         {"version": "1.3", "database": {"a": {"annotations": [{"segment": [0, 1], "label": "Pole vault"}]},
                                         "b": {"annotations": []}}, "taxonomy": []}, ["Pole vault"]),
        ("labels.json", {"Putting [something] on [something]": "0", "Closing [something]": "1"},
         ["Putting [something] on [something]", "Closing [something]"]),
        ("train.json", [{"id": "1", "label": "Putting cup on table", "template": "Putting [something] on [something]"}],
         ["Putting [something] on [something]"]),
        ("ava.pbtxt", 'label {\n  name: "bend/bow (at the waist)"\n  label_id: 1\n}\nitem {\n  name: "crawl"\n}\n',
         ["bend/bow (at the waist)", "crawl"]),
    )  # fmt: skip
    def test_class_names_of_a_data_set(self, name, content, expected):
        self.assertEqual(class_names.read_class_names(self.write(name, content)), expected)

    def test_hmdb51_names_its_classes_in_the_names_of_its_splits(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("brush_hair_test_split1.txt", "brush_hair_test_split2.txt", "cartwheel_test_split1.txt"):
            (folder / name).touch()
        self.assertEqual(class_names.read_class_names(folder), ["brush_hair", "cartwheel"])

    @parameterized.parameters(
        ("coco.json", {"info": {"description": "COCO"}, "annotations": [{"image_id": 1, "caption": "A man. "}]},
         ["A man. "]),
        ("region_descriptions.json", [{"id": 1, "regions": [{"phrase": "a"}, {"phrase": "b"}]}], ["a", "b"]),
        ("msr_vtt.json", {"videos": [], "sentences": [{"caption": "c", "sen_id": 0}]}, ["c"]),
        ("activitynet.json", {"v": {"duration": 1.5, "sentences": ["d", "e"]}}, ["d", "e"]),
        ("entities.json", {"v": {"segments": {"0": {"tokens": ["a", "man"]}}}}, ["a man"]),
        ("sbu.json", {"image_urls": ["u"], "captions": ["f"]}, ["f"]),
        ("t.csv", "image,caption\n1,a dog\n2,a cat\n", ["a dog", "a cat"]),
        ("results.token", "1.jpg#0\tA dog runs .\n1.jpg#1\tA cat .\n", ["A dog runs .", "A cat ."]),
        ("plain.txt", "A dog runs.\n\nA cat.", ["A dog runs.", "A cat."]),
    )  # fmt: skip
    def test_sentences_of_a_caption_file(self, name, content, expected):
        self.assertEqual(list(captions.read_captions(self.write(name, content))), expected)


class QueriesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.write("ucf.txt", "1 BasketballDunk\n2 Sitting\n3 PlayingGuitar\n")
        self.write("hmdb.txt", "sit\nplay_guitar\na|b:c\\d\n---\n")
        self.write("coco.txt", "Sitting.\nA man is playing guitar\n")

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def execute(self, *arguments):
        code, out, err = run_command(queries, f"--output={self.folder}/queries.csv", *arguments)
        return code, out, last_line(err)

    def test_equal_queries_are_one_with_all_their_origins(self):
        code, out, _ = self.execute(
            f"--classes=UCF={self.folder}/ucf.txt",
            f"--classes=HMDB={self.folder}/hmdb.txt",
            f"--captions=COCO={self.folder}/coco.txt",
        )
        self.assertEqual(code, 0)
        self.assertIn("7 classes became 4 queries, 1 have no word", out)
        self.assertEqual(
            [tuple(row.values()) for row in csv_rows(self.folder / "queries.csv")],
            [
                ("basketball dunk", "class", "UCF:BasketballDunk"),
                ("sit", "class", "UCF:Sitting|HMDB:sit"),
                ("play guitar", "class", "UCF:PlayingGuitar|HMDB:play_guitar"),
                ("a b c d", "class", "HMDB:a\\|b\\:c\\\\d"),
                ("sit", "sentence", "COCO:Sitting."),
                ("a man be play guitar", "sentence", "COCO:A man is playing guitar"),
            ],
        )

    def test_no_class_is_lost(self):
        generator = random.Random(0)
        words = ["Playing", "guitar", "Sit", "sitting", "[something]", "...", "|", ":", "\\", "é", "zorbing", "BMX"]
        names = {" ".join(generator.choices(words, k=generator.randrange(1, 4))) for _ in range(200)}
        self.write("many.txt", "".join(f"{name}\n" for name in names))
        self.execute(f"--classes=X={self.folder}/many.txt")
        report = csv_rows(self.folder / "queries.report.csv")
        self.assertCountEqual([row["original"] for row in report], names)
        found = {row["query"]: row["origins"] for row in csv_rows(self.folder / "queries.csv")}
        self.assertEqual(set(found), {row["query"] for row in report} - {""})
        for row in report:
            if row["query"]:
                escaped = re.sub(r"([\\|:])", r"\\\1", row["original"])
                self.assertIn(f"X:{escaped}", re.findall(r"(?:\\.|[^\\|])+", found[row["query"]]))
            else:
                self.assertFalse(re.search(r"[^\W_]", row["original"]))

    def test_report_names_what_a_query_is_shared_with_and_unknown_words(self):
        self.write("more.txt", "zorbing\nSit\nzorbing at the 3 of them\n")
        self.execute(f"--classes=UCF={self.folder}/ucf.txt", f"--classes=M={self.folder}/more.txt")
        report = {row["original"]: row for row in csv_rows(self.folder / "queries.report.csv")}
        self.assertEqual(report["Sit"]["shared_with"], "UCF:Sitting")
        self.assertEqual(report["Sitting"]["shared_with"], "M:Sit")
        self.assertEqual(report["zorbing"]["unknown_words"], "zorbing")
        self.assertEqual(report["zorbing at the 3 of them"]["unknown_words"], "zorbing")
        self.assertEqual(report["zorbing"]["query"], "zorbing")

    def test_mistakes_are_one_line(self):
        for arguments, said in (
            ([], "--classes or --captions missing"),
            (["--classes=classInd.txt"], "is not NAME=PATH"),
            ([f"--classes=X={self.folder}/none.txt"], "none.txt is no file"),
        ):
            code, _, err = self.execute(*arguments)
            self.assertEqual(code, 2)
            self.assertIn(said, err)
        self.write("t.csv", "a,b\n1,2\n")
        self.assertIn("no column of class names", self.execute(f"--classes=X={self.folder}/t.csv")[2])
        self.write("t.json", "{")
        self.assertIn("is no JSON", self.execute(f"--classes=X={self.folder}/t.json")[2])


if __name__ == "__main__":
    tf.test.main()
