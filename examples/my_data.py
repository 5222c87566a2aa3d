"""A dataset and a tokenizer: seqlab train text-classifier data.kind=import data.path=my_data.py:verdicts."""

FILMS = ("film", "story", "actor", "song", "scene", "plot")
PRAISE = {"good": ("good", "great", "touching"), "bad": ("bad", "dull", "hollow")}


def verdicts():
    """Pairs of text and label for each split."""
    pairs = [(f"a {word} {film}", label) for film in FILMS for label in PRAISE for word in PRAISE[label]]
    return {"train": pairs[12:], "valid": pairs[6:12], "test": pairs[:6]}


def pieces(text, size=3):
    """The text in pieces of some characters."""
    return [text[begin : begin + size] for begin in range(0, len(text), size)]
