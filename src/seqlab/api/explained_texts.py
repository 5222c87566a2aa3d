"""Explained texts in Python: as frames, as a page, and by themselves in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from seqlab.data.sources.missing_texts import given_texts, has_text
from seqlab.evaluate.explain import choose_explainer
from seqlab.evaluate.text_predictor import TextPredictor
from seqlab.report.explanation_page import render_in_notebook, write_explanations
from seqlab.schema.errors import UserError
from seqlab.schema.text_explanation import Explanations, TextExplanation
from seqlab.stats.formatting import counted

_WORDS = {
    "text": pl.Int64,
    "word": pl.String,
    "start": pl.Int64,
    "end": pl.Int64,
    "effect": pl.Float64,
    "floor": pl.Float64,
    "status": pl.String,
}


class ExplainedTexts:
    """The effects of the words of texts on a model's answers; as a sequence its texts."""

    def __init__(self, found: Explanations):
        self._found = found

    def __repr__(self) -> str:
        return f"{counted(len(self), 'text')} explained by {self.method}"

    def __len__(self) -> int:
        return len(self._found.texts)

    def __getitem__(self, index: int) -> TextExplanation:
        return self._found.texts[index]

    def __iter__(self) -> Iterator[TextExplanation]:
        return iter(self._found.texts)

    def _repr_html_(self) -> str:
        return render_in_notebook(self._found)

    @property
    def method(self) -> str:
        """weights, integrated-gradients or occlusion; surprisal of a language model."""
        return self._found.method

    @property
    def words(self) -> pl.DataFrame:
        """Every word: text (its index, from 0), word, start, end (characters), effect, floor, status.

        Of a language model a word is a token, its effect the surprisal in bits, and floor the same under the
        true distribution, where that is known.
        """
        rows = [
            (index, word.text, word.start, word.end, word.effect, word.floor, word.status)
            for index, text in enumerate(self)
            for word in text.words
        ]
        return pl.DataFrame(rows, schema=_WORDS, orient="row")

    def as_dict(self) -> dict[str, Any]:
        """Everything, the same as `seqlab explain --json`."""
        return self._found.as_dict()

    def write(self, output: str | Path, *, overwrite: bool = False) -> Path:
        """Write a page that needs no other file and no network.

        Args:
            output: the HTML file; its folder is created.
            overwrite: whether a file that exists is replaced.

        Raises:
            UserError: the file exists and is not to be replaced.
            DiskError: the disk is full or cannot be written.
        """
        write_explanations(self._found, Path(output), overwrite=overwrite)
        return Path(output)


def explained_texts(
    loaded: TextPredictor,
    texts: Sequence[str | float | None],
    *,
    method: str | None,
    label: str | None,
    steps: int | None,
) -> ExplainedTexts:
    """See `Run.explain`."""
    given = given_texts(texts)
    if not any(map(has_text, given)):
        raise UserError("There must be at least one text to explain. Got none.")
    chosen = choose_explainer(loaded, method=method, label=label, steps=steps)
    return ExplainedTexts(chosen.together(chosen.texts(given), len(given)))
