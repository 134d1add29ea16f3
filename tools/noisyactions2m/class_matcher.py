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
        self._by_first: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        self._joined: dict[str, list[int]] = {}
        for class_id, name in classes.items():
            words = tuple(lemmatised(name).split())
            if not words or len(words) < least_words:
                continue
            self._by_first.setdefault(words[0], []).append((words, class_id))
            for joined in {"".join(words), "".join(name.casefold().split())}:
                self._joined.setdefault(joined, []).append(class_id)

    def in_text(self, text: str) -> set[int]:
        """The classes whose words stand in the text, one behind the other."""
        words = tuple(lemmatised(text).split())
        found = set()
        for place, word in enumerate(words):
            for name, class_id in self._by_first.get(word, ()):
                if words[place : place + len(name)] == name:
                    found.add(class_id)
        return found

    def in_tags(self, tags: Iterable[str]) -> set[int]:
        """The classes in the words of a tag, or that a tag is without spaces: Flickr makes them so, "playingguitar"."""
        found = set()
        for tag in tags:
            found |= self.in_text(tag)
            found.update(self._joined.get("".join(tag.casefold().split()), ()))
        return found
