"""Predicting a table of any size: rows in, the same rows with their answers out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqlab.data.ragged import Ragged
from seqlab.data.sources.text_rows import TextRows, TextSource
from seqlab.evaluate.answers import AnswerOptions, Answers
from seqlab.evaluate.loaded import LoadedRun
from seqlab.evaluate.prediction import Floats
from seqlab.evaluate.table_output import WRITERS
from seqlab.runs.output_file import new_output


@dataclass(frozen=True)
class Labelled:
    """What a table came to: rows, those without a label, those without a known token, and column names.

    renamed: columns of answers that got another name, because the table had them.
    """

    rows: int
    abstained: int
    unknown: int
    columns: list[str]
    renamed: list[str]


def predicted(loaded: LoadedRun, source: TextSource) -> Iterator[tuple[TextRows, Ragged, Floats]]:
    """The rows of a source with their tokens and the outputs of a model, some at a time."""
    for rows in source.pieces():
        tokens = loaded.encode(rows.texts)
        yield rows, tokens, loaded.outputs(tokens)


def label_table(
    loaded: LoadedRun,
    source: TextSource,
    output: Path,
    options: AnswerOptions,
    *,
    overwrite: bool,
    progress: Callable[[int, int], None],
) -> Labelled:
    """Write the rows of a source with their answers, in their order, the whole table or nothing.

    Args:
        loaded: a run that predicts labels or numbers.
        source: the texts.
        output: file of the table; its extension is one of `WRITERS`.
        options: how answers are given.
        overwrite: whether a file that exists is replaced.
        progress: called with the number of rows done and of all, at most.

    Raises:
        UserError: a row has no text, a file exists, or a model has no such answers.
        DiskError: the disk is full or cannot be written.
    """
    answers = Answers(loaded.labels, options, source.kept)
    done = unknown = 0
    with new_output(output, overwrite=overwrite, retry="repeat the command") as path, _settled_objects():
        writer = WRITERS[output.suffix.lower()](path, source, answers.names)
        try:
            expected = source.expected_rows
            for rows, tokens, outputs in predicted(loaded, source):
                writer.write(rows, answers.columns(outputs))
                done += len(rows.texts)
                unknown += int(without_known_tokens(tokens, loaded.tokenizer.vocabulary.unknown).sum())
                progress(done, max(done, expected))
            writer.finish()
        finally:
            writer.close()
    return Labelled(done, answers.abstained, unknown, answers.names, answers.renamed)


@contextmanager
def _settled_objects() -> Iterator[None]:
    """Exempt all objects that exist, most of them of libraries, from garbage collection.

    The rows of a piece start many collections, each of which would visit all these objects.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def without_known_tokens(texts: Ragged, unknown: int | None) -> np.ndarray:
    """Which texts, (N,), have no token but the unknown one.

    >>> without_known_tokens(Ragged(np.array([3, 5, 3]), np.array([0, 2, 3, 3])), 3).tolist()
    [False, True, True]
    """
    known = np.concatenate([[0], np.cumsum(texts.tokens != (-1 if unknown is None else unknown))])
    return known[texts.offsets[1:]] == known[texts.offsets[:-1]]
