"""Finds the names of classes in texts, by the base forms of their words."""

from collections.abc import Iterable, Mapping

from tools.noisyactions2m.lemmas import lemmatised


class ClassMatcher:
    """Knows the names of classes by their base forms: "Playing guitar" is found in "she plays guitars"."""

    def __init__(self, classes: Mapping[int, str], least_words: int = 1):
        """Args:
        classes: id -> name; several of one base form are found together.
        least_words: names of fewer words are not looked for.
        """
        self._names: dict[tuple[str, ...], list[int]] = {}
        # First word -> numbers of words: hundreds of names begin with "play".
        self._lengths: dict[str, set[int]] = {}
        self._joined: dict[str, list[int]] = {}
        for class_id, name in classes.items():
            words = tuple(lemmatised(name).split())
            if not words or len(words) < least_words:
                continue
            self._names.setdefault(words, []).append(class_id)
            self._lengths.setdefault(words[0], set()).add(len(words))
            for joined in {"".join(words), "".join(name.casefold().split())}:
                self._joined.setdefault(joined, []).append(class_id)

    def in_text(self, text: str) -> set[int]:
        """The classes whose words stand in the text, one behind the other."""
        words = tuple(lemmatised(text).split())
        found: set[int] = set()
        for place, word in enumerate(words):
            for length in self._lengths.get(word, ()):
                found.update(self._names.get(words[place : place + length], ()))
        return found

    def in_tags(self, tags: Iterable[str]) -> set[int]:
        """The classes in the words of a tag, or that a tag is without spaces: Flickr makes them so, "playingguitar"."""
        found: set[int] = set()
        for tag in tags:
            found |= self.in_text(tag)
            found.update(self._joined.get("".join(tag.casefold().split()), ()))
        return found
