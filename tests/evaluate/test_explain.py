"""Explanations against independent truth: equations, other implementations, brute force through `predict`."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor, nn

from seqlab.cli import run as seqlab_command
from seqlab.data.dataset import Limit
from seqlab.evaluate import integrated_gradients, occlusion
from seqlab.evaluate.explain import choose_explainer
from seqlab.evaluate.loaded import LoadedRun, load_run
from seqlab.evaluate.word_groups import ReadText, WordGroup, read_by_all
from seqlab.models.classifier import SequenceClassifier
from seqlab.nn.embedding import Embedding
from seqlab.nn.pooling import mean_over_time
from seqlab.runs import run_folder
from seqlab.schema.errors import UserError
from seqlab.schema.text_explanation import TextExplanation

TEXT = "A really GOOD film, it is good; unheard bad"
LABELS = ("bad", "fair", "good")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """Runs of this module, made when they are asked for."""
    place = tmp_path_factory.mktemp("explained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(place / "runs"))
        patch.setenv("SEQLAB_CACHE", str(place / "cache"))
        patch.chdir(place)
        tiny.register(patch)
        runs: dict[tuple[str, ...], LoadedRun] = {}

        def reviews(*settings: str) -> LoadedRun:
            if settings not in runs:
                runs[settings] = load_run(tiny.fit(tiny.REVIEWS, *settings))
            return runs[settings]

        yield reviews


@pytest.fixture(scope="module")
def table(made) -> LoadedRun:
    """NB-SVM of a table with three labels."""
    rows = [(f"a {word} {noun} {word}", word) for word in LABELS for noun in ("film", "story", "plot", "end")]
    with Path("three.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows * 3])
    assert seqlab_command(["train", "text-nbsvm", "name=three", "data.path=three.csv"]) == 0
    return load_run(run_folder.find("three"))


def explained(loaded: LoadedRun, text: str, **options) -> TextExplanation:
    (found,) = choose_explainer(loaded, **options).texts([text])
    return found


def value_of(found: TextExplanation) -> float:
    assert found.value is not None
    return found.value


def effects(found: TextExplanation) -> np.ndarray:
    return np.array([word.effect for word in found.words])


def log_odds(loaded: LoadedRun, text: str, label: str) -> float:
    share = loaded.predict([text])[0][label]
    return math.log(share / (1 - share))


def with_model(loaded: LoadedRun, model: nn.Module) -> LoadedRun:
    return dataclasses.replace(loaded, model=model.eval())


def mean_model(loaded: LoadedRun, size: int = 5) -> SequenceClassifier:
    """A mean of vectors with a linear head, of random weights."""
    generator = torch.Generator().manual_seed(1)
    embedding = Embedding(len(loaded.tokenizer.vocabulary), size)
    nn.init.normal_(embedding.weight, generator=generator)
    head = nn.Linear(size, 2)
    nn.init.normal_(head.weight, generator=generator)
    return SequenceClassifier(
        embedding, None, None, pooling=mean_over_time, dropout=0.0, embedding_dropout=0.0, head=head
    )


@pytest.mark.parametrize("method", ["integrated-gradients", "occlusion"])
def test_a_mean_of_vectors_has_a_closed_form(made, method: str) -> None:
    """Integrated gradients: w x_t / n. Occlusion: with the mean m, m w - (n m - x_t) w / (n - 1)."""
    loaded = made()
    model = mean_model(loaded)
    found = explained(with_model(loaded, model), TEXT, method=method, label="negative")
    with torch.no_grad():
        x = model.embedding.rows[loaded.tokenizer.encode(TEXT)].double()
        weight, bias = model.head.parameters()
        w = (weight[1] - weight[0]).double()
    n, terms = len(x), (x @ w).numpy()
    mean = terms.mean()
    expected = terms / n if method != "occlusion" else mean - (n * mean - terms) / (n - 1)
    assert effects(found) == pytest.approx(expected, abs=1e-6)
    if method != "occlusion":
        assert found.gap == pytest.approx(0, abs=1e-6)
        assert found.baseline == pytest.approx((bias[1] - bias[0]).item(), abs=1e-6)


RECURRENT = (
    "model.kind=recurrent-classifier",
    "model.hidden_size=7",
    "model.linear_size=6",
    "model.embedding_std=1.5",
    "model.implementation=kernels",
    "training.epochs=8",
)


def torch_copy(model: SequenceClassifier, cell: str) -> tuple[Tensor, nn.Module, nn.Linear, nn.Linear]:
    """The same network from torch's layers, in float64."""
    state = {name: value.double() for name, value in model.state_dict().items()}
    layer = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}[cell](
        state["embedding.weight"].shape[1], 7, batch_first=True
    )
    linear, head = nn.Linear(7, 6), nn.Linear(6, 2)
    for own, prefix in ((layer, "body."), (linear, "linear."), (head, "head.")):
        own.double().load_state_dict(
            {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        )
    return state["embedding.weight"], layer, linear, head


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
def test_integrated_gradients_are_those_of_another_implementation(made, cell: str) -> None:
    """A loop over the midpoints of 2,000 equal steps, in float64, over a network of torch's layers."""
    loaded = made(*RECURRENT, f"model.cell={cell}")
    found = explained(loaded, TEXT, method="integrated-gradients", steps=256)
    rows, layer, linear, head = torch_copy(loaded.model, cell)  # pyright: ignore[reportArgumentType]
    x = rows[loaded.tokenizer.encode(TEXT)]
    output = loaded.labels.index(found.label)

    def value(vectors: Tensor) -> Tensor:
        logits = head(torch.relu(linear(layer(vectors)[0])).amax(dim=1))
        return logits[:, output] - logits[:, 1 - output]

    total = torch.zeros_like(x)
    steps = 2_000
    for alphas in ((torch.arange(steps) + 0.5) / steps).double().split(100):
        point = (alphas[:, None, None] * x).requires_grad_()
        total += torch.autograd.grad(value(point).sum(), point)[0].sum(dim=0)
    expected = (x * total / steps).sum(dim=1).numpy()
    size = np.abs(expected).sum()
    assert effects(found) == pytest.approx(expected, abs=0.01 * size)
    ends = [float(value(vectors[None]).detach()) for vectors in (x, torch.zeros_like(x))]
    assert [found.value, found.baseline] == pytest.approx(ends, abs=1e-4)
    assert expected.sum() == pytest.approx(ends[0] - ends[1], abs=0.01 * size)


@pytest.mark.parametrize(
    "settings",
    [(), RECURRENT, (*RECURRENT, "model.bidirectional=true", "model.layers=2"), ("model.pooling=mean",)],
)
def test_effects_add_up_within_the_gap_that_is_stated(made, settings: tuple[str, ...]) -> None:
    loaded = made(*settings)
    found = explained(loaded, TEXT)
    assert found.baseline is not None
    assert found.gap is not None
    difference = value_of(found) - found.baseline
    assert found.gap == pytest.approx(abs(effects(found).sum() - difference), abs=1e-12)
    assert found.converged
    assert found.gap <= integrated_gradients.TOLERANCE * np.abs(effects(found)).sum() + 1e-9
    assert found.value == pytest.approx(log_odds(loaded, TEXT, found.label), abs=1e-4)


def test_steps_are_doubled_until_the_gap_is_small_or_said(made, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = made()
    steps = [explained(loaded, TEXT, steps=first).steps for first in (1, 32)]
    assert steps[0] is not None
    assert steps[0] & (steps[0] - 1) == 0
    monkeypatch.setattr(integrated_gradients, "TOLERANCE", 0.0)
    monkeypatch.setattr(integrated_gradients, "MOST_STEPS", 64)
    found = explained(loaded, TEXT)
    assert (found.steps, found.converged) == (64, False)
    assert found.gap


def test_texts_that_are_read_in_pieces_have_the_same_effects(made, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = made(*RECURRENT)
    whole = {
        method: explained(loaded, TEXT, method=method) for method in ("integrated-gradients", "occlusion")
    }
    monkeypatch.setattr(integrated_gradients, "TOKENS_AT_ONCE", 20)
    monkeypatch.setattr(occlusion, "TOKENS_AT_ONCE", 20)
    for method, found in whole.items():
        assert effects(explained(loaded, TEXT, method=method)) == pytest.approx(effects(found), abs=1e-5)


@pytest.mark.parametrize("settings", [(), RECURRENT])
def test_occlusion_is_what_predict_says_without_the_word(made, settings: tuple[str, ...]) -> None:
    loaded = made(*settings)
    found = explained(loaded, TEXT, method="occlusion")
    assert (found.baseline, found.gap, found.steps) == (None, None, None)
    whole = log_odds(loaded, TEXT, found.label)
    for word in found.words:
        assert word.start is not None
        without = TEXT[: word.start] + TEXT[word.end :]
        assert word.effect == pytest.approx(whole - log_odds(loaded, without, found.label), abs=1e-4)


def test_log_odds_are_those_of_the_probability(table: LoadedRun) -> None:
    for label in LABELS:
        found = explained(table, "a good film", method="occlusion", label=label)
        assert found.label == label
        assert found.value == pytest.approx(log_odds(table, "a good film", label), rel=1e-9)


def test_nb_svm_has_the_weights_of_its_features(table: LoadedRun) -> None:
    """Of a table of weights by words: each shared by occurrences, those of pairs by both words."""
    text = "a good film a good plot good"
    chosen = choose_explainer(table, label="good")
    assert chosen.method == "weights"
    (found,) = chosen.texts([text])
    arrays = table.model._baseline.arrays()  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue, reportOptionalMemberAccess]
    V, row = len(table.tokenizer.vocabulary), table.labels.index("good")
    weights = dict(zip(arrays["keys"].tolist(), arrays["weights"][row].tolist(), strict=True))
    ids = table.tokenizer.encode(text)
    singles, pairs = Counter(ids), Counter(itertools.pairwise(ids))
    expected = [weights.get(a, 0.0) / singles[a] for a in ids]
    for index, (a, b) in enumerate(itertools.pairwise(ids)):
        for end in (index, index + 1):
            expected[end] += weights.get(V + V * a + b, 0.0) / pairs[a, b] / 2
    assert effects(found) == pytest.approx(expected, rel=1e-12)
    assert found.baseline == arrays["intercepts"][row]
    assert found.gap == pytest.approx(0, abs=1e-12)
    features = sum(weights.get(key, 0.0) for key in {*ids, *(V + V * a + b for a, b in pairs)})
    assert found.value == pytest.approx(features + arrays["intercepts"][row], rel=1e-12)


@pytest.mark.parametrize("label", ["positive", "negative"])
def test_nb_svm_of_two_labels_adds_up_to_the_log_odds(made, label: str) -> None:
    settings = ["data.kind=reviews", "name=two"]
    if not run_folder.named("two"):
        made()
        assert seqlab_command(["train", "imdb-nbsvm", *settings]) == 0
    loaded = load_run(run_folder.find("two"))
    found = explained(loaded, TEXT, label=label)
    assert found.value == pytest.approx(log_odds(loaded, TEXT, label), rel=1e-9)
    assert effects(found).sum() == pytest.approx(value_of(found) - log_odds(loaded, "", label), rel=1e-9)


def test_constant_models_have_no_effects(made) -> None:
    made()
    assert seqlab_command(["train", "imdb-majority", "data.kind=reviews", "name=most"]) == 0
    loaded = load_run(run_folder.find("most"))
    found = explained(loaded, TEXT)
    assert found.value == pytest.approx(log_odds(loaded, TEXT, found.label), rel=1e-9)
    assert not effects(found).any()
    small = ["data.train=20", "data.valid=5", "data.test=5"]
    assert seqlab_command(["train", "adding-mean", "name=mean", *small]) == 0
    number = load_run(run_folder.find("mean"))
    text = number.tokenizer.decode([1, 2, 3])
    found = explained(number, text)
    assert (found.label, found.probability) == ("", None)
    assert found.value == number.predict([text])[0]["number"]
    with pytest.raises(UserError, match="'label' must be left out for a model that predicts a number"):
        explained(number, text, label="positive")


def own_run(name: str, body: str, tmp_path: Path, *settings: str) -> LoadedRun:
    path = tmp_path / f"{name}.py"
    path.write_text(body, encoding="utf-8")
    own = ["model.kind=import", f"model.path={path}:{name}", *settings]
    recipe = [line for line in tiny.REVIEWS if not line.startswith("model.")]
    return load_run(tiny.fit(recipe, *own, "training.epochs=1"))


NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, vocabulary, num_classes):
        super().__init__()
        self.embed, self.positions = nn.Embedding(vocabulary, 4), nn.Embedding(99, 4)
        self.rnn, self.out = nn.GRU(4, 5), nn.Linear(5, num_classes)

    def forward(self, tokens):
        {body}
"""
TIME_FIRST = """x = self.embed(tokens.t()) + self.positions(torch.arange(tokens.shape[1]))[:, None]
        return self.out(self.rnn(x)[0].mean(0))"""
ROWS_MIX = """x = self.embed(tokens)
        return self.out(self.rnn(x.transpose(0, 1))[0].mean(0)) + x.mean()"""
TWICE = """x = self.embed(tokens) + self.embed(tokens)
        return self.out(self.rnn(x.transpose(0, 1))[0].mean(0))"""
TABLE = """x = self.embed.weight[tokens]
        return self.out(self.rnn(x.transpose(0, 1))[0].mean(0))"""


@pytest.mark.parametrize("body", [TIME_FIRST, ROWS_MIX], ids=["time first", "rows mixed"])
def test_own_modules_are_explained_by_their_embedding(made, tmp_path: Path, body: str) -> None:
    loaded = own_run("Net", NET.format(body=body), tmp_path)
    found = explained(loaded, "a good film to see", method="integrated-gradients", steps=128)
    module: Any = loaded.model.module
    ids = torch.tensor([loaded.tokenizer.encode("a good film to see")])
    table: Any = module.embed.weight
    rows = table.detach().clone()
    expected = np.zeros(ids.shape[1])
    output, steps = loaded.labels.index(found.label), 400
    for alpha in (np.arange(steps) + 0.5) / steps:
        table.data, table.grad = rows * alpha, None
        logits = module(ids)[0]
        (logits[output] - logits[1 - output]).backward()
        expected += (rows[ids[0]] * cast("Tensor", table.grad)[ids[0]]).sum(1).numpy() / steps
    table.data = rows
    assert effects(found) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("body", "got"), [(TWICE, "2"), (TABLE, "none")], ids=["twice", "no call"])
def test_own_modules_without_one_embedding_are_occluded(made, tmp_path: Path, body: str, got: str) -> None:
    loaded = own_run("Net", NET.format(body=body), tmp_path)
    sentence = rf"Net.py:Net must embed all tokens of a text by one call of a torch.nn.Embedding. Got {got}\."
    with pytest.raises(UserError, match=sentence):
        explained(loaded, "a film", method="integrated-gradients")
    chosen = choose_explainer(loaded)
    assert chosen.method == "occlusion"
    assert f"Got {got}." in chosen.reason
    (found,) = chosen.texts(["a good film"])
    without = log_odds(loaded, "a film", found.label)
    assert found.words[1].effect == pytest.approx(value_of(found) - without, abs=1e-5)


def test_words_that_are_not_read(made) -> None:
    loaded = dataclasses.replace(made(), limit=Limit(3, "last"))
    found = explained(loaded, "a good film, unheard; to see!")
    assert [(word.text, word.status, word.tokens) for word in found.words] == [
        ("a", "cut", ()),
        ("good", "cut", ()),
        ("film", "cut", ()),
        ("unheard", "unknown", (".unk",)),
        ("to", "read", ("to",)),
        ("see", "read", ("see",)),
    ]
    assert [word.effect is None for word in found.words] == [True] * 3 + [False] * 3
    (first,) = choose_explainer(dataclasses.replace(made(), limit=Limit(1, "first"))).texts(["good bad"])
    assert [word.status for word in first.words] == ["read", "cut"]


def test_words_of_several_models_are_those_that_any_of_them_reads(made) -> None:
    """Members cut texts after two words, after three, and before the last three characters."""
    words, letters = made(), made("data.tokenizer.kind=characters", "training.epochs=1")
    limits = [(words, Limit(2, "first")), (words, Limit(3, "first")), (letters, Limit(3, "last"))]
    members = [dataclasses.replace(loaded, limit=limit) for loaded, limit in limits]
    text = "a good unheard film is bad"
    found = read_by_all(text, [member.read(text) for member in members])
    assert [(word.text, word.status, word.tokens.tolist()) for word in found.words] == [
        ("a", "read", [0]),
        ("good", "read", [1]),
        ("unheard", "unknown", [2]),
        ("film", "cut", []),
        ("is", "cut", []),
        ("bad", "read", [3]),
    ]
    assert [text[slice(*word.span)] for word in found.words if word.span] == text.split()


def test_a_model_without_positions_of_tokens_may_read_every_word(made) -> None:
    text = "it's good, isn't it"
    nowhere = ReadText(text, np.arange(1), [WordGroup("?", None, np.arange(1), ("?",), "read")])
    cut = dataclasses.replace(made(), limit=Limit(1, "first")).read(text)
    found = read_by_all(text, [cut, nowhere])
    assert [word.text for word in found.words] == re.findall(r"\w+|[^\w\s]", text)
    assert {word.status for word in found.words} == {"read"}


@pytest.mark.parametrize("kind", ["bpe", "characters", "bytes"])
def test_pieces_of_a_word_are_one_word(made, kind: str) -> None:
    loaded = made(f"data.tokenizer.kind={kind}", "training.epochs=1")
    found = explained(loaded, "a goodish film")
    words = {word.text: word for word in found.words}
    assert {"a", "goodish", "film"} <= set(words)
    assert len(words["goodish"].tokens) > 1
    assert found.converged
    alone = explained(loaded, "zé")
    assert [word.text for word in alone.words] == ["z", "é"]


@pytest.mark.parametrize("method", [None, "occlusion"])
@pytest.mark.parametrize("text", ["...", "film"])
def test_texts_of_no_word_and_of_one(made, table: LoadedRun, method: str | None, text: str) -> None:
    for loaded in (made(), table):
        found = explained(loaded, text, method=method)
        assert len(found.words) == (text == "film")
        assert math.isfinite(value_of(found))
        assert found.gap is None or found.gap <= 1e-3


def test_the_model_is_left_as_it_was(made) -> None:
    loaded = made(*RECURRENT)
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    embedding = loaded.model.embedding
    explained(loaded, TEXT)
    assert loaded.model.embedding is embedding
    assert all(parameter.grad is None for parameter in loaded.model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in loaded.model.state_dict().items())
    assert not loaded.model.training


def test_wrong_choices_are_refused(made, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = made()
    with pytest.raises(UserError, match="no label 'good'"):
        choose_explainer(loaded, label="good")
    with pytest.raises(UserError, match=r"'steps' must be from 1 to 1024. Got 0. Nearest: 1"):
        choose_explainer(loaded, steps=0)
    with pytest.raises(UserError, match="must be used for a model that is a sum over words"):
        choose_explainer(loaded, method="weights")
    monkeypatch.setattr(occlusion, "MOST_TOKENS", 3)
    with pytest.raises(UserError, match=r"must be at most 3 tokens. Got 2 words of 2 tokens"):
        explained(loaded, "a film", method="occlusion")
    monkeypatch.setattr(integrated_gradients, "MOST_TOKENS", 1)
    with pytest.raises(UserError, match=r"must have at most 1 tokens to be explained. Got 2"):
        explained(loaded, "a film", method="integrated-gradients")
