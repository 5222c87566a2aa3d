"""Classifiers of a list of layers, and linear ones, that start from the weights of a finished run."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
import transfers
from transfers import DATA, FROZEN, SHORT, language_model, weights

from seqlab.schema.errors import UserError


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transfers.use_folders(tmp_path, monkeypatch)


DROPS = "{kind = 'token-dropout', rate = 0.1}, {kind = 'dropout', rate = 0.2}"
STACK = "{kind = 'recurrent', hidden_size = 4, layers = 2}"
CONVOLUTION = "{kind = 'convolution', filters = 3}"


def sequential(layers: str, *settings: str) -> list[str]:
    kind = ["model.kind=sequential-classifier", "model.embedding_size=4", f"model.layers=[{layers}]"]
    return ["text-classifier", *DATA, *kind, "model.init_from=films-lm", *SHORT, *settings]


@pytest.mark.parametrize(
    ("layers", "taken"),
    [
        (STACK, {"embedding.": "embedding.", "body.layers.0.": "body."}),
        (
            f"{DROPS}, {STACK}, {CONVOLUTION}",
            {"embedding.": "embedding.", "body.layers.2.": "body."},
        ),
        (f"{CONVOLUTION}, {STACK}", {"embedding.": "embedding."}),
        (DROPS, {"embedding.": "embedding."}),
        ("", {"embedding.": "embedding."}),
    ],
)
def test_layers_in_a_list_take_what_a_language_model_has(layers: str, taken: dict[str, str]) -> None:
    """Compared name by name; all other weights are those of the same run that starts from none."""
    source = language_model()
    callback = tiny.Nobody()
    # So small a rate that the head stays as drawn.
    still = [*FROZEN, "training.optimizer.learning_rate=1e-30"]
    found = tiny.fit(sequential(layers, *still), callback=callback)
    parts = ", ".join(own.removesuffix(".") for own in taken)
    assert (
        f"Starts from {source.path.name}, step {source.summary()['best_step']}: {parts}." in callback.messages
    )
    now, then = weights(found), weights(source)
    drawn = weights(tiny.fit(sequential(layers, "model.init_from=none", *still)))
    expected = {
        own + name.removeprefix(there): tensor
        for own, there in taken.items()
        for name, tensor in then.items()
        if name.startswith(there)
    }
    assert expected.keys() <= now.keys()
    for name, tensor in now.items():
        torch.testing.assert_close(tensor, expected.get(name, drawn[name]), rtol=0, atol=1e-12, msg=name)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (
            f"{DROPS}, {{kind = 'recurrent', hidden_size = 5, layers = 2}}",
            r"'model\.layers\.2\.hidden_size' must .*: 4\. Got 5\. Set model\.layers\.2\.hidden_size=4, or",
        ),
        ("{kind = 'recurrent', hidden_size = 4}", r"'model\.layers\.0\.layers' must .*: 2\. Got 1\. Set"),
        (
            STACK.replace("layers", "bidirectional = true, layers"),
            r"'model\.layers\.0\.bidirectional' must be .*: false\. Got true\. Set",
        ),
        (
            STACK.replace("layers", "cell = 'gru', layers"),
            r"'model\.layers\.0\.cell' must .*: lstm\. Got gru",
        ),
    ],
)
def test_layers_in_a_list_must_be_those_of_the_language_model(layers: str, words: str) -> None:
    language_model()
    with pytest.raises(UserError, match=words):
        tiny.fit(sequential(layers))


def test_a_list_of_layers_takes_all_weights_of_the_same_layers() -> None:
    source = tiny.fit(sequential(f"{DROPS}, {STACK}, {CONVOLUTION}", "model.init_from=none", "name=films"))
    other = DROPS.replace("0.2", "0.6")
    settings = ["model.init_from=films", *FROZEN, "training.optimizer.learning_rate=1e-30"]
    now, then = weights(tiny.fit(sequential(f"{other}, {STACK}, {CONVOLUTION}", *settings))), weights(source)
    assert now.keys() == then.keys()
    for name in now:
        torch.testing.assert_close(now[name], then[name], rtol=0, atol=1e-12, msg=name)
    refused = {
        f"{DROPS}, {STACK}": r"'model\.layers\.3\.kind' .*: convolution\. Got none\. Train another",
        f"{DROPS}, {STACK}, {CONVOLUTION}, {DROPS}": r"layers\.4\.kind' .*: none\. Got token-dropout\. Train",
        f"{DROPS}, {CONVOLUTION}, {STACK}": r"layers\.2\.kind' .*: recurrent\. Got convolution\. Set",
    }
    for layers, words in refused.items():
        with pytest.raises(UserError, match=words):
            tiny.fit(sequential(layers, *settings))
    with pytest.raises(UserError, match=r"'model\.pooling' must be that of .*: max\. Got mean\. Set"):
        tiny.fit(sequential(f"{DROPS}, {STACK}, {CONVOLUTION}", *settings, "model.pooling=mean"))


def test_a_list_of_layers_is_unfrozen_from_the_head_to_the_embedding() -> None:
    """In the first epoch the head alone leaves the source, in the second the last layer, too, and so on."""
    then = weights(language_model())
    moved = []
    for epochs in (1, 2, 3, 4):
        settings = ["training.unfreeze_every=1", "training.layer_decay=0.5", f"training.epochs={epochs}"]
        now = weights(tiny.fit(sequential(STACK, *settings, "training.result=last")))
        names = {"embedding.weight": "embedding.weight"}
        names |= {f"body.layers.0.weight_ih_l{k}": f"body.weight_ih_l{k}" for k in (0, 1)}
        moved.append([not torch.equal(now[own], then[there]) for own, there in names.items()])
    assert moved == [[False, False, False], [False, False, True], [False, True, True], [True, True, True]]


def test_a_linear_classifier_takes_the_embedding_of_a_language_model() -> None:
    then = weights(language_model())
    kind = ["model.kind=linear-classifier", "model.embedding_size=4", "model.linear_size=3"]
    recipe = ["text-classifier", *DATA, *kind, *SHORT]
    source = tiny.fit([*recipe, "model.init_from=films-lm", *FROZEN, "name=films"])
    assert torch.equal(weights(source)["embedding.weight"], then["embedding.weight"])
    still = [*FROZEN, "training.optimizer.learning_rate=1e-30", "model.init_from=films"]
    now = weights(tiny.fit([*recipe, *still]))
    for name, tensor in weights(source).items():
        torch.testing.assert_close(now[name], tensor, rtol=0, atol=1e-12, msg=name)
    with pytest.raises(UserError, match=r"'model\.linear_size' must be that of films-.*: 3\. Got 5\. Set"):
        tiny.fit([*recipe, *still, "model.linear_size=5"])
    with pytest.raises(UserError, match=r"'model\.embedding_size' must .*: 4\. Got 5\. Set"):
        tiny.fit([*recipe, "model.init_from=films-lm", "model.embedding_size=5"])
