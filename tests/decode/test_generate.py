import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from seqlab.data.batch import Batch, unlabelled
from seqlab.data.sequences import Padded
from seqlab.decode.generate import Generation, Limits, generate
from seqlab.decode.sampling import SamplingOptions, distribution
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.models.model_kinds import MODELS
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError, WorkError

GREEDY = SamplingOptions(temperature=0)
VOCABULARY = 6
END = 1
TINY = {
    "elman": {"kind": "recurrent-lm", "cell": "elman", "embedding_size": 5, "hidden_size": 7},
    "lstm": {"kind": "recurrent-lm", "cell": "lstm", "embedding_size": 5, "hidden_size": 7, "dropout": 0.5},
    "transformer": {
        "kind": "transformer-lm",
        "hidden_size": 8,
        "heads": 2,
        "layers": 2,
        "feed_forward_size": 9,
    },
}


class Chain(SequenceModel):
    """A Markov chain: the distribution of the next token is a row of a table."""

    capabilities = Capabilities(causal=True, carries_state=True)

    def __init__(self, table):
        super().__init__()
        table = torch.as_tensor(table, dtype=torch.float32)
        self.size = len(table)
        self.head = nn.Linear(self.size, self.size, bias=False)
        self.head.weight.data = table.T.contiguous()

    def features(self, batch: Batch, state: State | None):
        return functional.one_hot(batch.inputs.tokens, self.size).float(), State(
            {"none": batch.inputs.lengths}
        )

    def start(self, batch_size: int, source: Padded | None = None) -> State:
        return State({"none": torch.zeros(batch_size)})


def tiny(name: str, seed: int = 0) -> SequenceModel:
    table = dict(TINY[name])
    generator = torch.Generator().manual_seed(seed)
    spec = InputSpec(vocabulary=VOCABULARY, outputs=VOCABULARY)
    model = parse(MODELS[table["kind"]], table).build(spec, generator)
    with torch.no_grad():  # large weights make choices depend on the whole prefix
        for parameter in model.parameters():
            parameter.mul_(4)
    return model.double()


def write(model, prompts, *, options=GREEDY, seed=0, end: int | None = END, longest=12, banned=frozenset()):
    generator = torch.Generator().manual_seed(seed)
    limits = Limits(end=end, max_new_tokens=longest, banned=banned)
    return generate(model, prompts, limits=limits, options=options, generator=generator)


def one_by_one(model, prompts, probabilities, options, longest) -> list[Generation]:
    """Sequence by sequence, the whole prefix read again for every token, drawn in numpy."""
    written = []
    model.eval()
    for prompt, row in zip(prompts, probabilities, strict=True):
        tokens = list(prompt)
        for chance in row:
            batch = unlabelled(Padded(torch.tensor([tokens]), torch.tensor([len(tokens)])))
            with torch.no_grad():
                probabilities = distribution(model(batch)[0][:, -1], options)[0].numpy()
            tokens.append(int(np.searchsorted(np.cumsum(probabilities), chance, side="right")))
            if tokens[-1] == END:
                break
        new = tokens[len(prompt) :]
        complete = END in new
        written.append(Generation(tuple(new[:-1] if complete else new[:longest]), complete))
    return written


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize(
    "options", [GREEDY, SamplingOptions(), SamplingOptions(temperature=0.7, top_k=4, top_p=0.9)]
)
def test_a_batch_is_written_like_one_sequence_at_a_time(name, options):
    model = tiny(name)
    prompts = [[0], [0, 2, 3], [0, 5], [3, 3, 3, 3, 2], [4]]
    probabilities = torch.rand(
        len(prompts), 13, generator=torch.Generator().manual_seed(7), dtype=torch.float64
    ).numpy()
    found = write(model, prompts, options=options, seed=7)
    assert found == one_by_one(model, prompts, probabilities, options, longest=12)


@pytest.mark.parametrize("name", TINY)
def test_halves_of_the_prompts_write_what_all_of_them_write(name):
    model = tiny(name)
    prompts = [[0, index % 5 + 1] for index in range(20)]
    generator, limits = torch.Generator().manual_seed(3), Limits(end=END, max_new_tokens=9)
    halves = [
        generate(model, half, limits=limits, options=SamplingOptions(), generator=generator)
        for half in (prompts[:7], prompts[7:])
    ]
    assert halves[0] + halves[1] == write(model, prompts, options=SamplingOptions(), seed=3, longest=9)


def test_a_sequence_keeps_its_draws_when_another_prompt_changes():
    model = tiny("lstm")
    first = write(model, [[0], [0, 2], [0, 3]], options=SamplingOptions(), seed=1)
    second = write(model, [[4, 4, 5, 5], [0, 2], [5]], options=SamplingOptions(), seed=1)
    assert first[1] == second[1]


def test_seeds_repeat_and_differ():
    model = tiny("elman")
    prompts = [[0]] * 10
    assert write(model, prompts, options=SamplingOptions(), seed=1) == write(
        model, prompts, options=SamplingOptions(), seed=1
    )
    assert write(model, prompts, options=SamplingOptions(), seed=1) != write(
        model, prompts, options=SamplingOptions(), seed=2
    )


def test_frequencies_of_a_markov_chain():
    table = torch.tensor([[0.0, 0.25, 0.5, 0.25], [1, 0, 0, 0], [0, 0.5, 0.25, 0.25], [0, 0.8, 0.0, 0.2]])
    written = write(Chain(table.log().clamp(min=-1e9)), [[0]] * 4000, options=SamplingOptions(), longest=200)
    assert all(generation.complete for generation in written)
    tokens = [(0, *generation.tokens, END) for generation in written]
    pairs = np.zeros((4, 4))
    for row in tokens:
        np.add.at(pairs, (row[:-1], row[1:]), 1)
    shares = pairs[[0, 2, 3]] / pairs[[0, 2, 3]].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, table[[0, 2, 3]].numpy(), atol=0.03)


def counting_chain() -> Chain:
    """0 -> 2 -> 3 -> 4 -> end (1)."""
    table = torch.zeros(5, 5)
    for before, after in [(0, 2), (2, 3), (3, 4), (4, 1)]:
        table[before, after] = 10.0
    return Chain(table)


def test_the_end_token_is_no_part_of_the_text_and_has_a_draw_of_its_own():
    assert write(counting_chain(), [[0]], longest=4) == [Generation((2, 3, 4), True)]
    assert write(counting_chain(), [[0]], longest=3) == [Generation((2, 3, 4), True)]
    assert write(counting_chain(), [[0]], longest=2) == [Generation((2, 3), False)]
    assert write(counting_chain(), [[4], [3]], longest=2) == [Generation((), True), Generation((4,), True)]


def test_without_an_end_token_a_text_of_the_requested_length_is_complete():
    assert write(counting_chain(), [[0]], longest=4, end=None) == [Generation((2, 3, 4, 1), True)]


def test_banned_tokens_are_never_chosen():
    model = tiny("lstm")
    banned = frozenset({0, 3})
    written = write(model, [[0]] * 200, options=SamplingOptions(temperature=3.0), banned=banned)
    assert {token for generation in written for token in generation.tokens} == {2, 4, 5}


def test_sequences_that_ended_are_not_computed():
    model = counting_chain()
    sizes = []
    model.head.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    write(model, [[0], [3], [4]], longest=10)
    assert sizes == [3, 2, 1, 1]


def test_the_model_is_left_as_found():
    model = tiny("lstm")
    model.train()
    model.head.eval()
    modes = [module.training for module in model.modules()]
    before = torch.get_rng_state()
    write(model, [[0]] * 3, options=SamplingOptions())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_no_prompts_no_texts():
    assert write(counting_chain(), []) == []


def test_wrong_arguments_are_named():
    chain = counting_chain()
    with pytest.raises(UserError, match=r"at least one token, the start token.*Got none in prompt 1"):
        write(chain, [[0], []])
    with pytest.raises(UserError, match=r"'max_new_tokens' must be at least 1. Got 0"):
        write(chain, [[0]], longest=0)
    with pytest.raises(UserError, match=r"'banned' must leave out the end token 1. Got \[1\]"):
        write(chain, [[0]], banned=frozenset({1}))
    with pytest.raises(UserError, match=r"'banned' must be ids below 5.*Got \[9\]"):
        write(chain, [[0]], banned=frozenset({9}))
    spec = InputSpec(vocabulary=5, outputs=2)
    classifier = parse(MODELS["linear-classifier"], {}).build(spec, torch.Generator())
    with pytest.raises(UserError, match=r"Only a causal model .*Got SequenceClassifier"):
        write(classifier, [[0]])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_diverged_model_says_so(bad):
    with pytest.raises(WorkError, match=r"logits must be finite.*diverged"):
        write(Chain(torch.full((3, 3), bad)), [[0]])
