"""Datasets and a tokenizer as users write them, and wrong ones."""

import random
from pathlib import Path

FILMS = ("film", "story", "end", "actor", "song", "picture")


def reviews(repeat=1):
    pairs = [(f"a {word} {film}", word) for film in FILMS for word in ("good", "bad")] * repeat
    return {
        "train": pairs[4:],
        "valid": pairs[:4],
        "test": [("the good film", "good"), ("the bad film", "bad")],
    }


def one_split():
    return [(f"{word} film {number}", word) for number in range(30) for word in ("good", "bad")]


def numbers():
    for index in range(40):
        yield f"{index} {index}", index / 2


def sentences():
    return {"train": ["a b", "b a b"], "valid": ["a b b"], "test": ["b b"]}


def running():
    return "".join(f"This is line {index} of a text.\n" for index in range(200))


def stars():
    return {split: [("a", 10), ("b", 9)] for split in ("train", "valid", "test")}


def drawn():
    return [" ".join(random.choices("abc", k=8)) for _ in range(20)]


def number():
    return 3


def no_train():
    return {"valid": ["a"]}


def other_split():
    return {"train": ["a"], "validation": ["b"]}


def mixed():
    return {"train": ["a", ("b", "c")]}


def triples():
    return [("a", "b", "c")]


def two_forms():
    return {"train": [("a", "x"), ("b", "y")], "valid": ["a"]}


def one_label():
    return [("a", "x"), ("b", "x")]


def other_label():
    return {"train": [("a", "good"), ("b", "bad")], "valid": [("a", "goood")], "test": [("a", "bad")]}


def no_number():
    return [("a", 0.5), ("b", float("nan"))]


def none_label():
    return [("a", "x"), ("b", None)]


def fails():
    return Path("there-is-no-such-file.csv").read_text()


def needs(size):
    return ["a"] * size


def pairs(text, size=2):
    return [text[begin : begin + size] for begin in range(0, len(text), size)]


def words(text):
    return text.split()


def text_again(text):
    return text


def ids(text):
    return [ord(one) for one in text]


def breaks(text):
    return text.nothing()


def no_utf8():
    return ["a", "b\ud800"]


def no_utf8_label():
    return [("a", "x"), ("b", "y\ud800")]


def huge_number():
    return [("a", 0.5), ("b", 10**400)]


def breaks_late():
    yield "a", "x"
    raise SystemExit(0)


def other_each_time(text, known=[]):  # noqa: B006
    known.append(text)
    return known


def surrogate(text):
    return [text, "\ud800"]


def begins(text):
    return ["<s>", *text.split()]


class Splitter:
    """Called with a text once it is made, not when it is."""

    def __init__(self, lower: bool = True):
        self.lower = lower

    def __call__(self, text: str) -> list[str]:
        return text.lower().split() if self.lower else text.split()
