"""`seqlab sample` and `seqlab predict`: letting a trained run write, or answer."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from seqlab.cli.arguments import Json, Run
from seqlab.cli.console import err, out, print_json, working
from seqlab.schema.errors import UserError


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
    as_json: Json = False,
) -> None:
    """Let a language model write.

    Parameters
    ----------
    prompt
        Text to go on from.
    count
        Texts to write.
    length
        Tokens a text may have.
    temperature
        Divides the logits; 0 always takes the most likely token.
    top_k
        Draw from the k most likely tokens only.
    top_p
        Draw from the most likely tokens that together hold this share of the probability.
    seed
        Source of the draws.
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
    choice = SamplingOptions(temperature=temperature, top_k=top_k, top_p=top_p)
    loaded = load_run(run_folder.find(name))
    read = loaded.tokenizer.decode(loaded.tokenizer.encode(prompt))
    if read != prompt:
        err.print(f"The model reads the prompt {prompt!r} as {read!r}.", markup=False)
    texts = loaded.sample(prompt, count=count, length=length, choice=choice, seed=seed)
    if as_json:
        print_json([{"prompt": text.prompt, "text": text.text, "complete": text.complete} for text in texts])
        return
    for number, text in enumerate(texts, start=1):
        mark = "" if text.complete else " ..."
        out.print(f"[{number}] {prompt}{text.text}{mark}", markup=False)


def predict(
    name: Run, /, *texts: str, file: Path | None = None, encoding: str = "utf-8", as_json: Json = False
) -> None:
    """Label texts, with the probability of each label, or give numbers.

    Parameters
    ----------
    texts
        Texts to label. Without any, and without a file: one text a line from standard input.
    file
        Text file, one text a line; lines without any text are left out.
    encoding
        Encoding of the file, or of standard input.
    as_json
        Print labels and probabilities, or numbers, as JSON.
    """
    from seqlab.evaluate.loaded import load_run
    from seqlab.runs import run_folder

    loaded = load_run(run_folder.find(name))
    given = list(texts) or _lines(file, encoding)
    with working(f"Labelling {len(given):,} texts", quiet=as_json):
        answers = loaded.predict(given)
    for text, probabilities in zip(given, answers, strict=True):
        if set(loaded.tokenizer.encode(text)) <= {loaded.tokenizer.vocabulary.unknown}:
            words = f"No word of {text[:60]!r} is known to the model; its answer is the same for all such."
            err.print(words, markup=False)
        if not as_json:
            out.print(_answer(text, probabilities), markup=False)
    if as_json:
        what = "probabilities" if loaded.labels else "answer"
        print_json([{"text": text, what: a} for text, a in zip(given, answers, strict=True)])


def _answer(text: str, probabilities: dict[str, float]) -> str:
    """The likeliest label and the text; where there are more than two labels, all of them below."""
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    label, chance = ranked[0]
    shown = text if len(text) <= 80 else text[:77] + "..."
    line = f"{label} {chance:.3f}  {shown}"
    if len(ranked) <= 2:
        return line
    return f"{line}\n    " + ", ".join(f"{label} {chance:.3f}" for label, chance in ranked)


def _lines(file: Path | None, encoding: str) -> list[str]:
    """The lines that hold text, of a file or of standard input; others are counted."""
    from seqlab.data.sources.text_files import known_encoding, open_text

    if file is None:
        # Line breaks are those of a file; `splitlines` would cut texts at others, too.
        lines = list(io.StringIO(_standard_input(known_encoding(encoding)), newline=None))
    else:
        with open_text(file, known_encoding(encoding)) as stream:
            lines = list(stream)
    found = [line.rstrip("\n") for line in lines if line.strip()]
    if not found:
        raise UserError("There must be at least one text to label. Got none.")
    if len(found) < len(lines):
        err.print(f"{len(lines) - len(found):,} of {len(lines):,} lines hold no text and were left out.")
    return found


def _standard_input(encoding: str) -> str:
    data = sys.stdin.buffer.read()
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"Standard input, line {line}, must be text in {encoding.upper()}. Got bytes that are not. "
            "Name its encoding, perhaps: --encoding cp1252."
        ) from None
