"""Settings in names of runs: `h16` is `model.hidden_size=16`."""

from __future__ import annotations

from collections.abc import Mapping

SHORT_FORMS: Mapping[str, str] = {
    "data.kind": "",
    "data.level": "",
    "data.pattern": "",
    "data.length": "len",
    "data.max_length": "max",
    "data.pairs": "pairs",
    "data.gap": "gap",
    "data.train": "n",
    "data.train_size": "n",
    "data.tokenizer.kind": "",
    "data.tokenizer.max_size": "v",
    "data.tokenizer.min_count": "min",
    "baseline.order": "o",
    "baseline.C": "c",
    "baseline.alpha": "a",
    "model.embedding": "",
    "model.embedding_size": "e",
    "model.hidden_size": "h",
    "model.linear_size": "u",
    "model.layers": "l",
    "model.heads": "heads",
    "model.feed_forward_size": "ff",
    "model.bidirectional": "bidirectional",
    "model.tied": "tied",
    "model.cutoffs": "cut",
    "model.pooling": "",
    "model.dropout": "d",
    "model.input_dropout": "di",
    "model.hidden_dropout": "dh",
    "model.output_dropout": "do",
    "model.locked_dropout": "locked",
    "model.embedding_dropout": "de",
    "model.weight_drop": "wdrop",
    "model.activation_penalty": "ar",
    "model.temporal_penalty": "tar",
    "model.layer_norm": "norm",
    "model.residual": "residual",
    "model.learned_initial_state": "start",
    "model.tied_projection": "projected",
    "model.token_dropout": "td",
    "model.forget_bias": "fb",
    "model.implementation": "",
    "model.init_range": "init",
    "batching.kind": "",
    "batching.batch_size": "b",
    "batching.tokens": "b",
    "batching.sequence_length": "t",
    "training.optimizer.kind": "",
    "training.optimizer.path": "",
    "training.optimizer.learning_rate": "lr",
    "training.optimizer.momentum": "m",
    "training.optimizer.weight_decay": "wd",
    "training.schedule.kind": "",
    "training.averaging.kind": "",
    "training.averaging.decay": "avg",
    "training.averaging.interval": "nonmono",
    "training.epochs": "ep",
    "training.max_steps": "steps",
    "training.label_smoothing": "ls",
    "training.class_weights": "",
    "training.layer_decay": "decay",
    "training.unfreeze_every": "unfreeze",
    "training.clip_norm": "clip",
    "training.curriculum": "cur",
    "training.fit_on": "",
    "fit_on": "",
}
"""What precedes the value of a setting in a name, in the order of the name; others are not in names.

Each of them must be part of the fingerprint, since a run is found by both: so paths of data are not here.
"""

LAYER_FORMS: Mapping[str, str] = {
    "kind": "",
    "cell": "",
    "filters": "f",
    "widths": "w",
    "width": "w",
    "hidden_size": "h",
    "layers": "l",
    "size": "u",
    "bidirectional": "bidirectional",
    "rate": "d",
    "dropout": "d",
    "forget_bias": "fb",
    "implementation": "",
}
"""The same for settings of a layer in a list of layers."""
KIND_FORMS: Mapping[str, str] = {
    "convolution": "conv",
    "dropout": "drop",
    "max-pool": "pool",
    "recurrent": "rnn",
    "token-dropout": "token-drop",
}
"""Kinds of layers in names of runs; others are written out."""


def letters() -> dict[str, str]:
    """What precedes the value of a setting in a name, by the last part of its key.

    >>> letters()["hidden_size"]
    'h'
    """
    return {key.rpartition(".")[2]: short for key, short in SHORT_FORMS.items()}
