"""Probes of a data pipeline: what its batches hold must be what is stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from seqlab.checkup.finding import Finding, NotApplicableError, broken, sound
from seqlab.checkup.pipeline import Pipeline, Row, SplitRows, Tokens


def examples_kept(pipeline: Pipeline) -> Finding:
    """The rows of a pass over a split are as many as its examples."""
    sized = {name: split for name, split in pipeline.splits.items() if split.size is not None}
    if not sized:
        raise NotApplicableError("no split gives its examples beside its batches")
    for name, split in sized.items():
        lost = (split.size or 0) - len(split.first)
        if lost > 0:
            return broken(
                f"{lost} of {split.size} examples of split {name!r} are in no batch.",
                cause="the last, partial batch is dropped, a loop ends one early, or examples are filtered",
                fix="DataLoader(..., drop_last=False)",
                deviation=lost,
                counter_example=_absent(split),
                submodule=name,
            )
    total = sum(split.size or 0 for split in sized.values())
    return sound(f"All {total} examples are in a batch.", 0, 0)


def splits_disjoint(pipeline: Pipeline) -> Finding:
    """No sequence of one split is in another."""
    if len(pipeline.splits) < 2:
        raise NotApplicableError("there is one split")
    seen: dict[Tokens, str] = {}
    shared: list[tuple[str, str, Tokens]] = []
    for name, split in pipeline.splits.items():
        for tokens in _sequences(split, pipeline.padding):
            other = seen.setdefault(tokens, name)
            if other != name:
                shared.append((other, name, tokens))
    if not shared:
        return sound(f"{len(pipeline.splits)} splits share no sequence.", 0, 0)
    first, second, tokens = shared[0]
    return broken(
        f"{len(shared)} sequences of split {second!r} are in {first!r} as well.",
        cause="duplicates were not removed before splitting, or windows of one text overlap",
        fix="split = sorted(set(texts)); random.Random(0).shuffle(split)  # then cut",
        deviation=len(shared),
        counter_example=_short(tokens),
        submodule=f"{first}, {second}",
    )


def labels_aligned(pipeline: Pipeline) -> Finding:
    """Every row has the label of the example whose tokens it holds, in each pass."""
    compared = 0
    for name, split in pipeline.splits.items():
        known = _labels(split)
        for row in (*split.first, *split.second):
            labels = known.get(_stripped(row, pipeline.padding))
            if labels is None or row.label is None:
                continue
            compared += 1
            if not any(_same_label(row.label, label, pipeline.padding) for label in labels):
                return broken(
                    f"A row of split {name!r} has label {_short(row.label)}, not {_short(labels[0])}.",
                    cause="tokens are sorted or shuffled without their labels",
                    fix="batch.sort(key=lambda example: len(example[0]))  # pairs, not tokens alone",
                    deviation=1,
                    counter_example=_short(_stripped(row, pipeline.padding)),
                    submodule=name,
                )
    if not compared:
        raise NotApplicableError("no row is an example whose label is known")
    return sound(f"{compared} rows have the labels of their examples.", 0, 0)


def end_kept(pipeline: Pipeline) -> Finding:
    """Every row holds the token that ends a sequence."""
    end = pipeline.end
    if end is None:
        raise NotApplicableError("no token is known to end sequences (end=ID)")
    without = [
        (name, row) for name, _, row in pipeline.rows() if end not in row.tokens and not _in_label(row, end)
    ]
    if not without:
        return sound(f"Token {end} ends every row.", 0, 0)
    name, row = without[0]
    return broken(
        f"{len(without)} rows do not hold the end token {end}.",
        cause="sequences are cut after the end token was added, or it is never added",
        fix="tokens = tokens[: longest - 1] + [end]",
        deviation=len(without),
        counter_example=_short(row.tokens),
        submodule=name,
    )


def padding_after_end(pipeline: Pipeline) -> Finding:
    """There is no padding between the tokens of a row and its end token, nor between two tokens."""
    padding = pipeline.padding
    if padding is None:
        raise NotApplicableError("no padding is known (padding=ID)")
    for name, _, row in pipeline.rows():
        inner = _stripped(Row(row.tokens, None, None), padding)
        if padding in inner and not _stores(pipeline.splits[name], padding):
            return broken(
                f"Padding is between the tokens of a row of split {name!r}.",
                cause="sequences are padded before the end token is added",
                fix="tokens = [*tokens, end]; tokens += [padding] * (longest - len(tokens))",
                deviation=1,
                counter_example=_short(row.tokens),
                submodule=name,
            )
    return sound("Padding is at the ends of rows alone.", 0, 0)


def lengths_right(pipeline: Pipeline) -> Finding:
    """The length of a row, or the sum of its mask, is the number of its tokens that are not padding."""
    padding = pipeline.padding
    rows = [(name, row) for name, _, row in pipeline.rows() if row.length is not None]
    if not rows:
        raise NotApplicableError("batches have neither lengths nor a mask")
    for name, row in rows:
        known = {tokens for tokens, _ in pipeline.splits[name].stored or ()}
        if row.real in known and not (padding is not None and padding in row.real[-1:] + row.real[:1]):
            continue
        real = _stripped(Row(row.tokens, None, None), padding) if padding is not None else row.tokens
        if padding is None or len(real) == row.length or _stores(pipeline.splits[name], padding):
            continue
        return broken(
            f"A row of split {name!r} has the length {row.length}, but {len(real)} tokens.",
            cause="lengths are those before cutting or adding tokens, of another row, or off by one",
            fix="lengths = (tokens != padding).sum(dim=1)",
            deviation=abs(len(real) - (row.length or 0)),
            counter_example=_short(row.tokens),
            submodule=name,
        )
    return sound(f"{len(rows)} rows have the lengths of their tokens.", 0, 0)


def padding_id_unique(pipeline: Pipeline) -> Finding:
    """No token of an example and no target has the id of padding."""
    padding = pipeline.padding
    if padding is None:
        raise NotApplicableError("no padding is known (padding=ID)")
    for name, split in pipeline.splits.items():
        for tokens, label in split.stored or ():
            labels = label if isinstance(label, tuple) else ()
            where = next((each for each in (tokens, labels) if padding in each), None)
            if where is not None:
                return broken(
                    f"An example of split {name!r} holds token {padding}, which is the id of padding.",
                    cause="a real token has the id of padding, or padding reuses that of the end token",
                    fix="vocabulary = ['<pad>', '<unk>', *words]  # id 0 is for padding alone",
                    deviation=1,
                    counter_example=_short(where),
                    submodule=name,
                )
    for name, _, row in pipeline.rows():
        inner = _stripped(Row(row.tokens, None, None), padding)
        if row.length == len(inner) and padding in row.real and not row.left:
            return broken(
                f"A row of split {name!r} holds token {padding}, the id of padding, within its length.",
                cause="a real token has the id of padding",
                fix="vocabulary = ['<pad>', '<unk>', *words]  # id 0 is for padding alone",
                deviation=1,
                counter_example=_short(row.tokens),
                submodule=name,
            )
    return sound(f"Token {padding} is padding alone.", 0, 0)


def order_shuffled(pipeline: Pipeline) -> Finding:
    """Two passes over the training split have different orders."""
    name = next((name for name in pipeline.splits if name.lower().startswith("train")), None)
    if name is None:
        raise NotApplicableError("no split is named train")
    split = pipeline.splits[name]
    if len(split.first) < 4:
        raise NotApplicableError("the training split has fewer than 4 rows")
    if split.first != split.second:
        return sound("Two passes over the training split differ in their order.")
    return broken(
        f"Two passes over split {name!r} have the same order.",
        cause="batches are sorted by length, or shuffle is off, and their order is never drawn again",
        fix="DataLoader(..., shuffle=True)  # or shuffle the list of batches in each epoch",
        deviation=0,
        counter_example=_short(split.first[0].tokens),
        submodule=name,
    )


def _sequences(split: SplitRows, padding: int | None) -> Iterator[Tokens]:
    if split.stored is not None:
        yield from (tokens for tokens, _ in split.stored)
        return
    yield from (_stripped(row, padding) for row in split.first)


def _labels(split: SplitRows) -> dict[Tokens, list[Any]]:
    known: dict[Tokens, list[Any]] = defaultdict(list)
    if split.stored is not None:
        for tokens, label in split.stored:
            known[tokens].append(label)
        return known
    for row in split.first:
        known[row.real].append(row.label)
    return known


def _stripped(row: Row, padding: int | None) -> Tokens:
    """The tokens of a row by its length, or else without padding at its ends."""
    if row.length is not None or padding is None:
        return row.real
    tokens = list(row.tokens)
    while tokens and tokens[-1] == padding:
        tokens.pop()
    while tokens and tokens[0] == padding:
        tokens.pop(0)
    return tuple(tokens)


def _same_label(found: Any, stored: Any, padding: int | None) -> bool:
    if isinstance(found, tuple) and isinstance(stored, tuple):
        # Targets are padded as tokens are, or with a negative number.
        rest = found[len(stored) :]
        return found[: len(stored)] == stored and all(each == padding or each < 0 for each in rest)
    return bool(found == stored) or (isinstance(found, float) and abs(found - float(stored)) < 1e-6)


def _stores(split: SplitRows, token: int) -> bool:
    """Whether an example holds a token, which `padding_id_unique` reports if it is that of padding."""
    return any(token in tokens for tokens, _ in split.stored or ())


def _in_label(row: Row, token: int) -> bool:
    return isinstance(row.label, tuple) and token in row.label


def _absent(split: SplitRows) -> str:
    if split.stored is None:
        return ""
    left = Counter(tokens for tokens, _ in split.stored)
    left.subtract(row.real for row in split.first)
    return next((_short(tokens) for tokens, count in left.items() if count > 0), "")


def _short(value: Any) -> str:
    text = str(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
