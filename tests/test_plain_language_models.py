"""Training steps of the recipes of Penn Treebank, shrunk, against the same steps in plain PyTorch."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from pages import ROOT

from seqlab.experiment import recipes

sys.path.insert(0, str(ROOT / "scripts"))
from compare_plain import compare, losses_of_plain_pytorch, losses_of_seqlab, without_dropout

SMALL = {
    "ptb-gru-schedule": ["model.embedding_size=10", "model.hidden_size=24"],
    "ptb-rnn-adam": [
        "model.embedding_size=10",
        "model.hidden_size=24",
        "training.optimizer.learning_rate=0.01",
    ],
    "ptb-transformer-adam": ["model.hidden_size=32", "model.heads=4", "model.feed_forward_size=40"],
}
"""So small that torch draws all masks: those of more numbers are drawn by the kernels."""
STEPS = 14
"""More than one epoch, so that the state begins again and the schedule acts."""


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Settings of a small text instead of the Treebank."""
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    words, draw = [f"w{number}" for number in range(60)], random.Random(3)
    lines = [" ".join(draw.choices(words, weights=range(60, 0, -1), k=12)) for _ in range(400)]
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    # Its 4,654 training tokens are 13 equal rows: the plain program leaves out what remains.
    return [
        "data.kind=text",
        f"data.path={path}",
        "data.tokenizer.kind=whitespace",
        "batching.batch_size=13",
        f"training.max_steps={STEPS}",
        "training.tensorboard=false",
        "samples.count=0",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", SMALL)
def test_losses_of_training_steps_are_those_of_plain_pytorch(recipe: str, text: list[str]) -> None:
    """Dropout is on in both, with the same masks."""
    config = recipes.network(recipe, [*text, *SMALL[recipe]])
    ours, plain = losses_of_seqlab(config), losses_of_plain_pytorch(config, STEPS)
    assert len(ours) == STEPS
    assert ours == pytest.approx(plain, rel=1e-5)
    assert ours[-1] < ours[0]


@pytest.mark.slow
def test_other_steps_are_noticed(text: list[str]) -> None:
    config = recipes.network("ptb-rnn-adam", [*text, *SMALL["ptb-rnn-adam"]])
    other = recipes.network("ptb-rnn-adam", [*text, *SMALL["ptb-rnn-adam"], "model.dropout=0.5"])
    assert losses_of_seqlab(config) != pytest.approx(losses_of_plain_pytorch(other, STEPS), rel=1e-3)


def test_every_dropout_of_a_recipe_is_switched_off() -> None:
    for name in SMALL:
        model = recipes.network(name, without_dropout(name)).model
        assert not any(value for key, value in model.model_dump().items() if "dropout" in key)


@pytest.mark.slow
def test_the_script_prints_both(text: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    data = [setting for setting in text if setting.startswith(("data", "batching"))]
    assert compare("ptb-gru-schedule", [*data, *SMALL["ptb-gru-schedule"]], 3) < 1e-5
    printed = capsys.readouterr().out
    assert "step    seqlab     plain" in printed
    assert "Greatest relative difference of 3 losses" in printed
