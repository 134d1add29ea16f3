"""Class names and sentences as searches: words apart, lower case, each word in its base form.

Lemmas come from the dictionary inside lemminflect (0.2.3, made of NIH's SPECIALIST lexicon). It answers for each part
of speech and knows no sentence, so the part of speech is chosen by rule. Its rules for words outside the dictionary are
not asked: they turn "something" as a verb into "somethe".
"""

import functools
import re
import unicodedata
from collections.abc import Sequence

from spl_tf.errors import UserError

# PlayingPiano -> Playing Piano, HTMLPage -> HTML Page.
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Between words; an apostrophe, a full stop and & also stand inside of one (can't, e.g., r&b).
_BETWEEN = re.compile(r"[\s_+/\\|\[\](){}<>,;:!?\"“”„«»…*=#~^\u2010-\u2015-]+")
_EDGES = ".'\u2018\u2019`&"

_DETERMINERS = frozenset(
    ("a", "an", "the", "this", "that", "these", "those", "some", "any", "each", "every", "no")
    + ("my", "your", "his", "her", "its", "our", "their")
)
# Nouns of things that have a verb's form. Other nouns in -ing name what is done: "swimming" is to swim.
_THINGS = frozenset(("bedding", "building", "clothing", "dressing", "icing", "lightning", "wedding"))
_ORDER = ("AUX", "NOUN", "VERB", "ADJ", "ADV", "PROPN")


def lemmatised(text: str) -> str:
    """The base forms: PlayingGuitar, playing_guitar and "Playing guitar" become "play guitar".

    Camel case is taken apart in names without spaces, brackets are taken off, what is inside of them stays. The
    result is empty where there is no letter or digit.
    """
    words = words_of(text)
    return " ".join(lemma(words, place) for place in range(len(words)))


def words_of(text: str) -> list[str]:
    """The words of a name or sentence in lower case, as they are written."""
    text = unicodedata.normalize("NFKC", text).strip()
    if not any(letter.isspace() for letter in text):
        text = _CAPITAL.sub(" ", text)
    words = (word.strip(_EDGES) for word in _BETWEEN.split(text.lower()))
    return [word for word in words if any(letter.isalnum() for letter in word)]


def lemma(words: Sequence[str], place: int) -> str:
    """The base form of one word; a word the dictionary lacks stays.

    A word in -ing is a verb, unless it is a noun after a determiner ("a painting") or a thing anywhere but before
    other words: "building" stays, "building a shed" becomes "build a shed". Of other words a form that is a base form
    of any part of speech stays ("left", "rose", "glasses"), then auxiliary, noun, verb, adjective, adverb are tried.
    """
    word = words[place]
    found = _dictionary(word)
    if word.endswith("ing") and "VERB" in found:
        begins = place == 0 and len(words) > 1
        after_determiner = place > 0 and words[place - 1] in _DETERMINERS
        if word in found.get("NOUN", ()) and (after_determiner or (word in _THINGS and not begins)):
            return word
        return found["VERB"][0]
    if any(word in lemmas for lemmas in found.values()):
        return word
    for part in _ORDER:
        if part in found:
            return _best(word, found[part])
    return word


def is_known(word: str) -> bool:
    """Whether the dictionary has the word; articles, prepositions and the like it does not list."""
    return bool(_dictionary(word))


def _best(word: str, lemmas: tuple[str, ...]) -> str:
    """Leaves are of a leaf, not of a leave; otherwise the dictionary's first."""
    if word.endswith("ves"):
        return next((lemma for lemma in lemmas if lemma.endswith(("f", "fe"))), lemmas[0])
    return lemmas[0]


@functools.lru_cache(maxsize=1 << 18)
def _dictionary(word: str) -> dict[str, tuple[str, ...]]:
    """Part of speech -> base forms."""
    return _load()(word)


@functools.cache
def _load():
    try:
        import lemminflect  # Takes half a second, and is an extra.
    except ImportError as error:
        raise UserError("lemminflect is not installed: pip install 'spl_tf[noisyactions2m]'") from error
    return lemminflect.getAllLemmas
