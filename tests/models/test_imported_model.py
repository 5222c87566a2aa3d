"""Any module as a model: what is guessed, what is refused, and that the guesses give the right numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import own_models
import pytest
import torch

from seqlab.data.batch import unlabelled
from seqlab.data.sequences import Padded
from seqlab.models.imported_model_config import ImportedModelConfig
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel
from seqlab.schema.config import Table, parse
from seqlab.schema.errors import UserError
from seqlab.schema.overrides import override
from seqlab.schema.own_code import OwnCodeError

OWN = Path(own_models.__file__)
LANGUAGE = InputSpec(vocabulary=7, outputs=7, output="text")
LABELS = InputSpec(vocabulary=7, outputs=4, output="class")
TWO = InputSpec(vocabulary=7, outputs=2, output="class")
NUMBER = InputSpec(vocabulary=7, outputs=1, output="number")
RAGGED = Padded(torch.tensor([[1, 2, 3, 4, 5], [6, 0, 0, 0, 0], [2, 2, 1, 0, 0]]), torch.tensor([5, 1, 3]))


def config(name: str, **settings: Any) -> ImportedModelConfig:
    return parse(ImportedModelConfig, {"kind": "import", "path": f"{OWN}:{name}", **settings}, "model")


def build(name: str, spec: InputSpec = LANGUAGE, **settings: Any) -> SequenceModel:
    return config(name, **settings).build(spec, torch.Generator().manual_seed(0)).eval()


def module_of(model: SequenceModel) -> Any:
    """The user's own module, without anything of the adapter."""
    return model.module


def notes(name: str, spec: InputSpec = LANGUAGE, **settings: Any) -> str:
    return " ".join(build(name, spec, **settings).notes)


@pytest.mark.parametrize(
    ("name", "spec", "expected"),
    [
        (
            "GruLanguageModel",
            LANGUAGE,
            r"\(batch, time\) as 'tokens', and gives a logit of each token for each step\.",
        ),
        (
            "GruLanguageModel",
            LANGUAGE,
            "reads a text from its beginning for each token that it writes, .* no state",
        ),
        ("TimeFirstLanguageModel", LANGUAGE, r"\(time, batch\) as 'x', 'hidden' as the state, and"),
        ("DictLanguageModel", LANGUAGE, r"\(batch, time\) as 'input_ids', 'state' as the state, and"),
        (
            "PackedClassifier",
            LABELS,
            r"as 'texts', 'lengths' as lengths, and gives a logit of each label for each text",
        ),
        ("MaskClassifier", LABELS, "'mask' as a mask that is true at tokens"),
        (
            "LastStepClassifier",
            LABELS,
            r"\(time, batch\) as 'x'.*lets padding act, as it takes neither lengths nor",
        ),
        ("OneLogit", NUMBER, "and gives a number for each text"),
        ("MixesRows", LANGUAGE, "mixes the sequences of a batch, so in evaluation each is read alone"),
        ("small_gru", LANGUAGE, "small_gru is called with"),
    ],
)
def test_notes_say_what_was_guessed(name: str, spec: InputSpec, expected: str) -> None:
    assert re.search(expected, notes(name, spec))


def test_what_is_right_needs_no_warning() -> None:
    assert len(build("PackedClassifier", LABELS).notes) == 1
    assert len(build("TimeFirstLanguageModel").notes) == 1
    assert build("TimeFirstLanguageModel").capabilities.carries_state
    assert build("DictLanguageModel").capabilities.carries_state
    assert not build("GruLanguageModel").capabilities.carries_state


@torch.no_grad()
def test_logits_of_a_ragged_batch_are_those_of_the_module_on_each_sequence() -> None:
    for name, spec, layout in (
        ("GruLanguageModel", LANGUAGE, lambda m, t: m(t)[0]),
        ("TimeFirstLanguageModel", LANGUAGE, lambda m, t: m(t.t())[0]),
        ("DictLanguageModel", LANGUAGE, lambda m, t: m(t)["logits"][0]),
        ("MixesRows", LANGUAGE, lambda m, t: m(t)[0]),
        ("LastStepClassifier", LABELS, lambda m, t: m(t.t())[0]),
        ("PackedClassifier", LABELS, lambda m, t: m(t, torch.tensor([t.shape[1]]))[0]),
        ("MaskClassifier", LABELS, lambda m, t: m(t, torch.ones_like(t, dtype=torch.bool))[0]),
    ):
        model = build(name, spec)
        found = model(unlabelled(RAGGED))[0]
        for row, length in enumerate(RAGGED.lengths.tolist()):
            expected = layout(module_of(model), RAGGED.tokens[row : row + 1, :length])
            actual = found[row, :length] if spec is LANGUAGE else found[row]
            torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6, msg=f"{name}, row {row}")


@torch.no_grad()
def test_one_logit_is_that_of_the_second_class() -> None:
    two, number = build("OneLogit", TWO), build("OneLogit", NUMBER)
    for model in (two, number):
        raw = torch.stack([module_of(model)(RAGGED.tokens[row : row + 1, :3]) for row in range(3)])
        found = model(unlabelled(Padded(RAGGED.tokens[:, :3], torch.tensor([3, 3, 3]))))[0]
        if model is number:
            torch.testing.assert_close(found[:, 0], raw)
        else:
            torch.testing.assert_close(found.softmax(1)[:, 1], torch.sigmoid(raw))


@torch.no_grad()
@pytest.mark.parametrize(
    "name", ["GruLanguageModel", "TimeFirstLanguageModel", "DictLanguageModel", "MixesRows"]
)
def test_a_state_continues_sequences_of_unequal_lengths(name: str) -> None:
    model = build(name)
    _, state = model(unlabelled(RAGGED))
    assert state is not None
    further = torch.tensor([3, 5, 1])
    logits, after = model.step(further, state)
    again, _ = model.step(further, after.select(torch.tensor([2, 0, 1])))
    for row, length in enumerate(RAGGED.lengths.tolist()):
        tokens = [*RAGGED.tokens[row, :length].tolist(), int(further[row])]
        for found, read in (
            (logits[row], tokens),
            (again[[1, 2, 0][row]], [*tokens, int(further[[1, 2, 0][row]])]),
        ):
            one = Padded(torch.tensor([read]), torch.tensor([len(read)]))
            torch.testing.assert_close(found, model(unlabelled(one))[0][0, -1], rtol=1e-5, atol=1e-6)


def test_roles_can_be_named() -> None:
    roles = {"lengths": "n", "output": "z", "axes": "batch-first"}
    model = build("Named", arguments={"a": 7, "b": 3}, roles=roles)
    with torch.no_grad():
        found = model(unlabelled(RAGGED))[0]
        expected = module_of(model)(RAGGED.tokens, RAGGED.lengths)["z"]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("name", "spec", "settings", "message"),
    [
        (
            "TransformerLanguageModel",
            LANGUAGE,
            {"arguments": {"masked": False}},
            r"TransformerLanguageModel must not look ahead: .* Got logits at token \d that change by [\d.]+",
        ),
        (
            "KeepsItsState",
            LANGUAGE,
            {},
            r"must give the same output for the same tokens in evaluation. Got a diff",
        ),
        (
            "WrongShape",
            LANGUAGE,
            {},
            r"WrongShape must return logits of shape \(3, 5, 7\) for .* of 5 tokens. Got \(3, 7\)\.$",
        ),
        (
            "GruLanguageModel",
            LABELS,
            {},
            r"logits of shape \(3, 4\) for 3 sequences of 5 tokens. Got \(3, 5, 7\)\.$",
        ),
        ("FewRows", LANGUAGE, {}, r"failed while it read .*: IndexError: .*, for token ids up to 6\.$"),
        ("a_module", LANGUAGE, {}, r"must be a class of torch.nn.Module, or a function. Got a module, Emb"),
        ("NoModule", LANGUAGE, {}, r"must be a class of torch.nn.Module, or a function. Got another class"),
        ("no_module", LANGUAGE, {}, r"no_module must give a torch.nn.Module. Got int\.$"),
        ("fails", LANGUAGE, {}, r"^own_models.py:\d+ failed while it was made: .*\.$"),
        (
            "GruLanguageModel",
            LANGUAGE,
            {"arguments": {"sise": 3}},
            r"There is no argument 'sise' of own_models.py:GruLanguageModel. Nearest: 'size'",
        ),
        (
            "Named",
            LANGUAGE,
            {"arguments": {"a": 7}},
            r"must be given its argument 'b': model.arguments.b=VALUE. Got only a\.",
        ),
        (
            "Named",
            LANGUAGE,
            {"arguments": {"a": 7, "b": 3}},
            r"forward of own_models.py:Named must have a default for 'n', or .* model.roles.lengths=n, ",
        ),
        (
            "Named",
            LANGUAGE,
            {"arguments": {"a": 7, "b": 3}, "roles": {"lengths": "m"}},
            r"'model.roles.lengths': There is no argument 'm' of forward of .*Known: n, q",
        ),
        (
            "Named",
            LANGUAGE,
            {"arguments": {"a": 7, "b": 3}, "roles": {"lengths": "n", "output": "y"}},
            r"'model.roles.output' must be an output of own_models.py:Named. Got 'y' for a dict",
        ),
        (
            "Named",
            LANGUAGE,
            {"arguments": {"a": 7, "b": 3}, "roles": {"lengths": "n"}},
            r"must give the same output for the same tokens",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(
    name: str, spec: InputSpec, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(OwnCodeError, match=message):
        build(name, spec, **settings)


def test_weights_come_from_the_seed_and_no_generator_is_moved() -> None:
    before = torch.get_rng_state()
    one, two, other = (
        config("GruLanguageModel").build(LANGUAGE, torch.Generator().manual_seed(seed)).state_dict()
        for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)


def test_settings_are_read_from_text() -> None:
    table: Table = {"kind": "import", "path": f"{OWN}:Named"}
    for assignment in ("arguments.a=7", "arguments.b=3", "roles.lengths=n", "scale_by=b,a"):
        table, _ = override(ImportedModelConfig, table, assignment)
    settings = parse(ImportedModelConfig, table)
    assert settings.arguments == {"a": 7, "b": 3}
    assert settings.roles.lengths == "n"
    assert [width.keys for width in settings.widths] == [("arguments.b",), ("arguments.a",)]
    wide = settings.at(settings.widths[0], 9)
    assert wide == parse(ImportedModelConfig, {**table, "arguments": {"a": 7, "b": 9}})
    with pytest.raises(UserError, match=r"path: Code of your own must be written FILE.py:NAME. Got 'Net'"):
        parse(ImportedModelConfig, {"path": "Net"})
