"""Query lists from class names, by the rules of the paper's WebK200 and WebS4."""

import collections
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from tests.commands import run_command
from tests.written import csv_rows
from tools.collect import queries, query_list
from tools.collect.query_list import Query


class QueriesTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def execute(self, *arguments):
        """Runs the command with --output=q.csv in the folder: exit code, stdout, stderr."""
        paths = (f"--output={self.folder}/q.csv", f"--classes={self.folder}/classes.txt")
        return run_command(queries, *paths, *arguments)

    @parameterized.parameters(
        ("PlayingPiano", "playing piano"),
        ("playing_piano", "playing piano"),
        ("Playing_Piano", "playing piano"),
        ("RidingBMX", "riding BMX"),
        ("BMXRace", "BMX race"),
        ("hula-hooping", "hula-hooping"),
        ("passing American football (in game)", "passing American football (in game)"),
        ("Yellow/Red Card", "Yellow/Red Card"),
    )
    def test_class_name_is_split_into_words(self, name, words):
        self.assertEqual(query_list.words(name), words)

    def test_webk200_searches_class_names_and_translations_in_four_languages(self):
        self.write("classes.txt", "yoga\nPlayingPiano\n")
        self.write(
            "t.csv",
            "class,language,text\nPlayingPiano,pt,tocar piano\nPlayingPiano,es,tocar el piano\n"
            "PlayingPiano,fr, jouer  du piano \nPlayingPiano,de,Klavier spielen\nyoga,fr,Yoga\n",
        )
        code, out, _ = self.execute("--preset=webk200", f"--translations={self.folder}/t.csv")
        self.assertEqual(code, 0)
        rows = [(row["query"], row["language"], row["text"]) for row in csv_rows(self.folder / "q.csv")]
        self.assertEqual(
            rows,
            [
                ("yoga", "en", "yoga"),
                ("yoga", "fr", "Yoga"),
                ("PlayingPiano", "en", "playing piano"),
                ("PlayingPiano", "fr", "jouer du piano"),
                ("PlayingPiano", "es", "tocar el piano"),
                ("PlayingPiano", "pt", "tocar piano"),
            ],
        )
        self.assertIn("2 translations missing: yoga (es), yoga (pt)", out)
        missing = csv_rows(self.folder / "q.missing.csv")
        self.assertEqual(
            [(row["class"], row["language"], row["text"]) for row in missing], [("yoga", "es", ""), ("yoga", "pt", "")]
        )

    def test_a_text_is_searched_once_for_several_languages(self):
        self.write("classes.txt", "yoga\n")
        self.write("t.csv", "class,language,text\nyoga,fr,Yoga\n")
        self.execute("--languages=en,fr", f"--translations={self.folder}/t.csv", "--search_prefix=ytsearch7:")
        self.assertEqual((self.folder / "q.searches.txt").read_text(), "ytsearch7:yoga\n")

    def test_filled_in_list_of_missing_translations_completes_the_queries(self):
        self.write("classes.txt", "yoga\ndance\n")
        self.execute("--languages=en,es")
        filled = (self.folder / "q.missing.csv").read_text().replace("dance,es,,", "dance,es,bailar,")
        self.write("mine.csv", filled)
        code, out, _ = self.execute("--languages=en,es", f"--translations={self.folder}/mine.csv")
        self.assertEqual(code, 0)
        self.assertIn("3 queries for 2 classes", out)
        self.assertEqual([row["class"] for row in csv_rows(self.folder / "q.missing.csv")], ["yoga"])

    def test_translations_are_not_written_over(self):
        self.write("classes.txt", "yoga\n")
        self.execute("--languages=en,es")
        before = (self.folder / "q.missing.csv").read_text()
        code, _, err = self.execute("--languages=en,es", f"--translations={self.folder}/q.missing.csv")
        self.assertEqual(code, 2)
        self.assertIn("q.missing.csv would be read and written over", err)
        self.assertEqual((self.folder / "q.missing.csv").read_text(), before)

    def test_english_terms_take_the_place_of_the_class_name(self):
        terms = [Query("Goal", "en", "own goal"), Query("Goal", "en", "ghost goal"), Query("Goal", "fr", "but")]
        made = query_list.make(["Goal", "Card"], terms, ["en", "fr"])
        self.assertEqual([query.text for query in made], ["own goal", "ghost goal", "but", "card"])
        self.assertEqual(query_list.missing(made, ["Goal", "Card"], ["en", "fr"]), [("Card", "fr")])

    def test_webs4_has_the_papers_ten_terms_in_three_languages(self):
        self.write("classes.txt", "Background\nCard\nGoal\nSubstitution\n")
        self.assertEqual(self.execute("--preset=webs4")[0], 0)
        rows = csv_rows(self.folder / "q.csv")
        english = collections.defaultdict(list)
        for row in rows:
            if row["language"] == "en":
                english[row["query"]].append(row["text"])
        self.assertEqual(
            english,
            {
                "Background": ["soccer full match"],
                "Card": ["red card", "yellow card"],
                "Goal": [
                    "free kick goal",
                    "corner kick goal",
                    "own goal",
                    "overhead kick goal",
                    "last-minute goal",
                    "ghost goal",
                ],
                "Substitution": ["substitution of players"],
            },
        )
        self.assertEqual(collections.Counter(row["language"] for row in rows), {"en": 10, "fr": 10, "es": 10})
        self.assertEqual({(row["language"] == "en", row["source"]) for row in rows}, {(True, "paper"), (False, "ours")})
        self.assertLen({row["text"] for row in rows}, 30)
        self.assertEmpty(csv_rows(self.folder / "q.missing.csv"))

    def test_webs4_needs_the_classes_of_its_terms(self):
        self.write("classes.txt", "background\nCard\nGoal\nSubstitution\n")
        code, _, err = self.execute("--preset=webs4")
        self.assertEqual(code, 2)
        self.assertIn("no 'Background': name its classes as webs4_queries.csv does", err)

    def test_unknown_classes_and_shared_texts_are_told(self):
        self.write("classes.txt", "running\njogging\n")
        self.write("t.csv", "class,language,text\nrunning,es,correr\njogging,es,correr\nruning,es,correr\n")
        _, out, _ = self.execute("--languages=es", f"--translations={self.folder}/t.csv")
        self.assertIn("1 classes of the translations ignored, not in the classes file: runing", out)
        self.assertIn("1 texts serve several classes, what they find gets a row for each: correr", out)

    @parameterized.parameters(
        ([], "no languages: give --languages"),
        (["--languages=fr"], "no class has a text in fr"),
        (["--languages=en", "--translations={}/none.csv"], "none.csv is no file: check --translations"),
        (["--languages=en", "--translations={}/names.csv"], "has no column 'class' \\(it has name, language, text"),
        (["--languages=en", "--translations={}/latin.csv"], "latin.csv is not UTF-8"),
        (["--languages=en", "--output=q.json"], "q.json does not end in .csv"),
    )
    def test_mistake_is_one_line(self, arguments, message):
        self.write("classes.txt", "yoga\n")
        self.write("names.csv", "name;language;text\nyoga;fr;yoga\n")
        (self.folder / "latin.csv").write_bytes("class,language,text\nyoga,fr,é\n".encode("latin-1"))
        code, _, err = self.execute(*(argument.format(self.folder) for argument in arguments))
        self.assertEqual((code, err.count("\n")), (2, 1))
        self.assertRegex(err, message)
        self.assertFalse((self.folder / "q.csv").exists())


if __name__ == "__main__":
    tf.test.main()
