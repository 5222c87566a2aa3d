"""Registry of workloads by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from seqlab.bench import plain_pytorch, python_loop
from seqlab.bench.result import picked
from seqlab.bench.workload import (
    Attending,
    Classifying,
    Convolving,
    Flattening,
    RecurrentModelling,
    Workload,
)

PLAIN, PYTHON_LOOP = "plain PyTorch", "a Python loop"

_IMDB = Classifying(
    name="imdb-lstm",
    about="73,278 words, LSTM 300, maximum over time, 32 x 235 tokens",
    against=PLAIN,
    goal=2.0,
    recipe="imdb-lstm",
    vocabulary=73_278,
    embedding=300,
    hidden=300,
    linear=300,
    batch_size=32,
    sequence_length=235,
    learning_rate=0.01,
    momentum=0.9,
    clip_norm=1.0,
    reference=plain_pytorch.classifier,
)
_GRU = RecurrentModelling(
    name="gru-1500",
    about="10,000 words, 2 x GRU 1500 (reset after), 20 x 35 tokens",
    against=PLAIN,
    goal=2.5,
    recipe="ptb-gru",
    vocabulary=10_000,
    embedding=200,
    hidden=1500,
    layers=2,
    cell="gru",
    tied=False,
    batch_size=20,
    sequence_length=35,
    dropout=0.65,
    learning_rate=1.0,
    clip_norm=0.25,
    reference=plain_pytorch.language_model,
)
_NDFA = RecurrentModelling(
    name="ndfa-lstm",
    about="15 characters, LSTM 16, 256 x 40 tokens",
    against=PLAIN,
    goal=3.0,
    recipe="ndfa-lstm",
    vocabulary=15,
    embedding=32,
    hidden=16,
    layers=1,
    cell="lstm",
    tied=False,
    batch_size=256,
    sequence_length=40,
    learning_rate=0.03,
    momentum=0.9,
    clip_norm=1.0,
    reference=plain_pytorch.language_model,
)
_ALL: tuple[Workload, ...] = (
    RecurrentModelling(
        name="ptb-lstm",
        about="10,000 words, 2 x LSTM 650 tied, 20 x 35 tokens",
        against=PLAIN,
        goal=1.8,
        recipe="ptb-lstm",
        vocabulary=10_000,
        embedding=650,
        hidden=650,
        layers=2,
        cell="lstm",
        tied=True,
        batch_size=20,
        sequence_length=35,
        dropout=0.5,
        learning_rate=1.0,
        clip_norm=0.25,
        reference=plain_pytorch.language_model,
    ),
    _IMDB,
    replace(
        _IMDB,
        name="imdb-linear",
        about="73,278 words, no recurrence, maximum over time, 32 x 235 tokens",
        goal=3.0,
        recipe="imdb-linear",
        hidden=0,
    ),
    Convolving(
        name="imdb-cnn",
        about="30,000 words, 100 filters each of 3, 4 and 5 words, maximum over time, 32 x 235 tokens",
        against=PLAIN,
        goal=1.3,
        recipe="imdb-cnn",
        vocabulary=30_000,
        embedding=300,
        filters=100,
        widths=(3, 4, 5),
        batch_size=32,
        sequence_length=235,
        dropout=0.4,
        optimizer="adam",
        learning_rate=0.001,
        clip_norm=1.0,
        reference=plain_pytorch.convolutional,
    ),
    Flattening(
        name="battlefield-dense",
        about="10,000 words, a window of 500 words of 100 features, dense 250, 64 x 235 tokens",
        against=PLAIN,
        goal=1.3,
        recipe="battlefield-dense",
        vocabulary=10_000,
        embedding=100,
        window=500,
        dense=250,
        batch_size=64,
        sequence_length=235,
        dropout=0.5,
        optimizer="adam",
        learning_rate=0.001,
        clip_norm=1.0,
        reference=plain_pytorch.window,
    ),
    Attending(
        name="transformer-512",
        about="10,000 words, 6 Transformer layers of 512 (feed-forward 2048, 16 heads), 128 x 35 tokens",
        against=PLAIN,
        goal=1.25,
        recipe="ptb-transformer",
        vocabulary=10_000,
        hidden=512,
        layers=6,
        heads=16,
        feed_forward=2048,
        batch_size=128,
        sequence_length=35,
        dropout=0.1,
        optimizer="adam",
        learning_rate=0.0001,
        clip_norm=0.25,
        reference=plain_pytorch.transformer,
    ),
    _GRU,
    replace(
        _GRU,
        name="gru-1500-loop",
        about="10,000 words, 2 x GRU 1500 (reset before), 20 x 35 tokens",
        against=PYTHON_LOOP,
        goal=6.0,
        cell="gru-reset-before",
        reference=python_loop.language_model,
    ),
    _NDFA,
    replace(
        _NDFA, name="ndfa-lstm-loop", against=PYTHON_LOOP, goal=8.0, reference=python_loop.language_model
    ),
)
WORKLOADS: Mapping[str, Workload] = {work.name: work for work in _ALL}


def named(names: Sequence[str]) -> list[Workload]:
    """The workloads with these names, each once; all of them where there are no names.

    Raises:
        UserError: there is no workload with a name.
    """
    return picked("workload", names, WORKLOADS)


def of_seqlab(names: Sequence[str]) -> list[Workload]:
    """The same for measurements of seqlab's side alone: without the workloads against a Python loop.

    Raises:
        UserError: there is no such workload with a name.
    """
    return picked("workload", names, {name: w for name, w in WORKLOADS.items() if w.against == PLAIN})
