"""The full keys that a user may mean by a wrong or short one."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.schema.errors import nearest

USUAL = {
    "batch": ("batch_size", "tokens"),
    "batchsize": ("batch_size", "tokens"),
    "batch_size": ("tokens",),
    "bidir": ("bidirectional",),
    "bptt": ("sequence_length", "window"),
    "clip": ("clip_norm",),
    "dim": ("hidden_size", "linear_size", "dense_sizes"),
    "drop": ("dropout",),
    "early_stopping": ("patience",),
    "emb": ("embedding_size",),
    "embed": ("embedding_size",),
    "embed_size": ("embedding_size",),
    "embedding": ("embedding_size",),
    "embedding_dim": ("embedding_size",),
    "epoch": ("epochs",),
    "eta": ("learning_rate",),
    "file": ("path",),
    "grad_clip": ("clip_norm",),
    "hidden": ("hidden_size", "linear_size", "dense_sizes"),
    "hidden_dim": ("hidden_size", "linear_size", "dense_sizes"),
    "l2": ("weight_decay",),
    "learningrate": ("learning_rate",),
    "lr": ("learning_rate",),
    "max_epochs": ("epochs",),
    "n_layers": ("layers",),
    "nhead": ("heads",),
    "nhid": ("hidden_size", "linear_size", "dense_sizes"),
    "nlayers": ("layers",),
    "num_epochs": ("epochs",),
    "num_layers": ("layers",),
    "random_seed": ("seed",),
    "seq_len": ("sequence_length", "window"),
    "smoothing": ("label_smoothing",),
    "steps": ("max_steps",),
    "units": ("hidden_size", "linear_size", "dense_sizes"),
    "wd": ("weight_decay",),
    "word_dropout": ("token_dropout",),
    "width": ("hidden_size", "linear_size", "dense_sizes"),
}
"""Names that are usual elsewhere, each with the last parts of keys that mean the same here, best first."""


def nearest_keys(key: str, known: Sequence[str]) -> list[str]:
    """The full keys that a user most likely means: several where a last part has several tables.

    Args:
        key: as the user wrote it.
        known: every full key that there is.

    >>> known = ["seed", "model.hidden_size", "training.optimizer.kind", "training.optimizer.learning_rate"]
    >>> nearest_keys("lr", known), nearest_keys("optimizer", known), nearest_keys("model.hiden_size", known)
    (['training.optimizer.learning_rate'], ['training.optimizer.kind'], ['model.hidden_size'])
    """
    last = key.rpartition(".")[2].lower()
    # A table is chosen by its kind.
    words = [last, f"{last}.kind", *USUAL.get(last, ())]
    found = [[full for full in known if f".{full}".endswith(f".{word}")] for word in words]
    close = next((keys for keys in found if keys), None)
    if close is not None:
        table = f"{key.partition('.')[0]}."
        return [full for full in close if full.startswith(table)] or close
    ends = {full.rpartition(".")[2]: full for full in known}
    choices = {**ends, **{full: full for full in known}}
    hint = nearest(key, choices)
    return [choices[hint]] if hint else []
