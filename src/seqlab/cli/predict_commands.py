"""`seqlab sample` and `seqlab predict`: texts of a trained language model, and predictions."""

from __future__ import annotations

import dataclasses
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab.cli.arguments import InputFile, Json, Run, Trust
from seqlab.cli.console import print_json, print_line, print_note, print_text
from seqlab.cli.progress_display import working
from seqlab.schema.errors import UserError
from seqlab.schema.visible import visible

if TYPE_CHECKING:
    from seqlab.data.dataset_config import DatasetConfig

_ENCODING = "--encoding "


def sample(
    name: Run,
    /,
    *,
    prompt: str = "",
    count: int = 5,
    length: int = 100,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 1,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Generate texts with a language model.

    Parameters
    ----------
    prompt
        Text that every generated text continues.
    count
        Number of texts.
    length
        Largest number of tokens per text.
    temperature
        Divides the logits; 0 always takes the most likely token.
    top_k
        Draw from the k most likely tokens only.
    top_p
        Draw from the most likely tokens whose probabilities add up to this share.
    seed
        Random seed.
    as_json
        Print the texts as JSON.
    """
    from seqlab.decode.sampling import SamplingOptions
    from seqlab.evaluate.loaded import load_run
    from seqlab.runs import run_folder

    if count < 1:
        raise UserError(f"'count' must be at least 1. Got {count}. Nearest: 1.")
    if length < 1:
        raise UserError(f"'length' must be at least 1. Got {length}. Nearest: 1.")
    options = SamplingOptions(temperature=temperature, top_k=top_k, top_p=top_p)
    loaded = load_run(run_folder.find(name), trust=trust)
    encoded = loaded.tokenizer.decode(loaded.tokenizer.encode(prompt))
    if encoded != prompt:
        print_note(f"The model reads the prompt {prompt!r} as {encoded!r}.")
    texts = loaded.sample(prompt, count=count, length=length, options=options, seed=seed)
    if as_json:
        print_json([{"prompt": text.prompt, "text": text.text, "complete": text.complete} for text in texts])
        return
    for number, text in enumerate(texts, start=1):
        mark = "" if text.complete else " ..."
        print_text(f"[{number}] {prompt}{text.text}{mark}")


def predict(
    name: Run,
    /,
    *texts: str,
    file: InputFile | None = None,
    column: str | None = None,
    encoding: str | None = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Predict the label of each text, or its number.

    Parameters
    ----------
    texts
        Texts to predict. Without texts and without a file: standard input, one text per line.
    file
        Table (.csv, .tsv, .jsonl, .parquet), read as the run's own data, one text per row. Any other file:
        one text per line; lines without text are skipped. A dash is standard input.
    column
        Column of the table with the texts. Default: that of the run's data.
    encoding
        Encoding of the file, or of standard input. Default: utf-8; for a table, that of the run's data.
    as_json
        Print the predictions as JSON.
    """
    from seqlab.evaluate.loaded import load_run
    from seqlab.runs import run_folder

    if texts and file is not None:
        raise UserError("Texts are given either as arguments or by '--file'. Got both.")
    loaded = load_run(run_folder.find(name), trust=trust)
    inputs = list(texts) or _texts(loaded.config.data, file, column, encoding)
    with working(f"Predicting {len(inputs):,} texts", quiet=as_json):
        predictions = loaded.predict(inputs)
    for text, values in zip(inputs, predictions, strict=True):
        if set(loaded.tokenizer.encode(text)) <= {loaded.tokenizer.vocabulary.unknown}:
            print_note(
                f"The model knows no word of {_cut(text, 60)!r}; "
                "it predicts the same for all texts of this kind."
            )
        if not as_json:
            print_line(_prediction_line(text, values))
    if as_json:
        key = "probabilities" if loaded.labels else "answer"
        rows = zip(inputs, predictions, strict=True)
        print_json([{"text": text, key: values} for text, values in rows])


def _prediction_line(text: str, values: dict[str, float]) -> str:
    """The most likely label, or the number, and the text; a second line for more than two labels."""
    ranked = sorted(values.items(), key=lambda item: -item[1])
    shown = [f"{visible(_cut(label, 60))} {value:.3f}" for label, value in ranked]
    line = f"{shown[0]}  " + visible(_cut(text, 80), keep="\t")
    return line if len(shown) <= 2 else f"{line}\n    {', '.join(shown)}"


def _cut(text: str, length: int) -> str:
    """A text, without its end where it has more characters."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _texts(data: DatasetConfig, file: Path | None, column: str | None, encoding: str | None) -> list[str]:
    """The texts of a table, or the lines of another file or of standard input; notes are printed."""
    from seqlab.data.sources.table_format import Column
    from seqlab.data.sources.table_rows import column_texts, is_table
    from seqlab.data.sources.text_files import known_encoding, user_path

    path = None if file is None or str(file) == "-" else user_path(str(file))
    if path is None or not is_table(path):
        if column is not None:
            raise UserError(f"'column' needs a table as 'file'. Got {str(file)!r}.")
        return _lines(path, known_encoding(encoding or "utf-8"))
    style = dataclasses.replace(data.table_format(), encoding_option=_ENCODING, settings=False)
    if encoding is not None:
        style = dataclasses.replace(style, encoding=known_encoding(encoding))
    texts, notes = column_texts(
        path, Column(data.table_column().name if column is None else column, "--column "), style
    )
    for note in notes:
        print_note(f"Note: {note}")
    if not texts:
        raise UserError(f"{path} must contain texts to predict. Got only a header.")
    return texts


def _lines(path: Path | None, encoding: str) -> list[str]:
    """The lines with text; those without are counted in a warning."""
    from seqlab.data.sources.text_files import text_lines

    if path is None:
        # Only the line breaks of files: `splitlines` also splits at other separators, within texts.
        lines = list(io.StringIO(_standard_input(encoding), newline=None))
    else:
        lines = list(text_lines(path, encoding, option=_ENCODING))
    texts = [line.rstrip("\n") for line in lines if line.strip()]
    if not texts:
        raise UserError("There must be at least one text to predict. Got none.")
    if len(texts) < len(lines):
        print_note(f"{len(lines) - len(texts):,} of {len(lines):,} lines have no text and were skipped.")
    return texts


def _standard_input(encoding: str) -> str:
    if sys.stdin is None:
        raise UserError("Standard input must hold texts, one per line. Got a closed one.")
    # Bytes, because `sys.stdin` decodes by the terminal's encoding, and without the number of the line.
    from seqlab.data.sources.file_content import HEAD, guessed_encoding, other_format

    data = sys.stdin.buffer.read()
    if (other := other_format(data[:HEAD])) is not None:
        raise UserError(f"Standard input must be text. Got {other}.")
    hint = f"Name its encoding, for example --encoding {guessed_encoding(data[:HEAD]) or 'cp1252'}."
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"Standard input, line {line}, must be text in {encoding.upper()}. Got bytes that are not. {hint}"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(f"Standard input, line {line}, must be text. Got a zero byte. {hint}")
    return text.removeprefix("\ufeff")
