"""Runs one tool over the corpus of broken and healthy cases, in the tool's own environment.

`python checkup_adapters.py TOOL [CASE...]` writes a JSON object a line: a case, what was found, CPU seconds.
Each tool is called as its documentation says, with what a user has: the module, an example batch with its
lengths or mask, the targets and the loss. What a tool cannot be called with is not applicable to it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
import time
import unittest
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "checkup"))

from cases.all_cases import BROKEN, BROKEN_PIPELINES, HEALTHY, HEALTHY_PIPELINES  # noqa: E402
from cases.calling import (  # noqa: E402
    LENGTH_NAMES,
    STATES,
    as_double,
    output_of,
    sequence_name,
    state_name,
    state_of,
)
from cases.case import Case, PipelineCase, seeded  # noqa: E402
from cases.parts import token_loss  # noqa: E402

Verdict = Literal["broken", "sound", "not applicable"]


@dataclass(frozen=True)
class Outcome:
    """What a tool says of a case.

    checks: that found something. warned: that only warned. sound: how many passed.
    """

    checks: list[str] = field(default_factory=list[str])
    warned: list[str] = field(default_factory=list[str])
    sound: int = 0
    reason: str = ""
    """Why it is not applicable."""

    @property
    def verdict(self) -> Verdict:
        """Broken if anything was found, sound if anything passed."""
        if self.checks:
            return "broken"
        return "sound" if self.sound else "not applicable"


class Collected:
    """The outcome of several checks, each of which raises an AssertionError if it finds something."""

    def __init__(self):
        self.outcome = Outcome()

    def run(self, name: str, check: Callable[[], object]) -> None:
        """Count a check; another error than AssertionError means that it cannot be applied."""
        try:
            check()
        except AssertionError:
            self.outcome = replace(self.outcome, checks=[*self.outcome.checks, name])
        except Exception as error:  # a rival may raise anything
            self.outcome = replace(self.outcome, reason=f"{name}: {type(error).__name__}: {error}"[:300])
        else:
            self.outcome = replace(self.outcome, sound=self.outcome.sound + 1)


def loss_of(case: Case) -> Callable[[Any, Any], Tensor]:
    """The loss that a user trains with, of what the module returns and the targets."""

    def loss(result: Any, targets: Any) -> Tensor:
        if targets is None:
            return result["loss"] if isinstance(result, dict) else result.loss
        return (case.loss or token_loss)(output_of(result), targets)

    return loss


def seqlab_check(case: Case, **options: Any) -> Outcome:
    """The project's own checkup: `seqlab.check`, with further arguments of it."""
    seqlab = importlib.import_module("seqlab")
    arguments, targets = case.example()
    batch = arguments | ({} if targets is None else {"targets": targets})
    roles: dict[str, Any] = {"axes": "time-first"} if case.time_first else {}
    if "cache" in (state_name(case.build()) or ""):
        roles["state"] = "cache"
    report = seqlab.check(case.build(), batch, case.task, loss=case.loss, roles=roles or None, **options)
    return _seqlab_outcome(report)


def seqlab_pipeline(case: PipelineCase, **options: Any) -> Outcome:
    """The project's own checkup of data: `seqlab.check_data`, with further arguments of it."""
    seqlab = importlib.import_module("seqlab")
    report = seqlab.check_data(case.build(), padding=case.padding, end=case.end, **options)
    return _seqlab_outcome(report)


def _seqlab_outcome(report: Any) -> Outcome:
    found = [finding.probe for finding in report if finding.status == "broken"]
    return Outcome(found, sound=sum(finding.status == "sound" for finding in report))


def torchtest2(case: Case) -> Outcome:
    """One call, with the loss, and the axis of the batch where it is not the first.

    States have their batch on the second axis: they are given with it on the first one, as the tool needs it.
    """
    tool = importlib.import_module("torchtest2")
    arguments, targets = case.example()
    states = [name for name in arguments if name in STATES]
    inputs = {name: _swapped(value) if name in states else value for name, value in arguments.items()}

    def forward(module: nn.Module, inputs: dict[str, Any], *_: Any) -> Any:
        return module(
            **{name: _swapped(value) if name in states else value for name, value in inputs.items()}
        )

    options: dict[str, Any] = {"batch_dim": 1} if case.time_first else {}
    if states:
        options |= {"forward_fn": forward, "eval_forward_fn": forward}
    module = case.build()
    report = tool.check_model(
        module,
        inputs,
        targets,
        loss_fn=None if targets is None else loss_of(case),
        optimizer=_adam(module),
        **options,
    )
    results = report.to_dict()["results"]
    named = {
        status: [r["name"] for r in results if r["status"].lower() == status]
        for status in ("fail", "warn", "pass")
    }
    return Outcome(named["fail"], named["warn"], len(named["pass"]))


def _adam(module: nn.Module) -> torch.optim.Optimizer | None:
    """The user's optimizer, with a learning rate at which the healthy cases learn."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return torch.optim.Adam(trained, lr=0.01) if trained else None


def _swapped(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_swapped(item) for item in value)
    return value.transpose(0, 1).contiguous()


class BatchFirst(nn.Module):
    """A module with the batch on the first axis of every argument, which returns its output alone.

    What a user of a tool writes who is told to bring the module into that form.
    """

    def __init__(self, case: Case, module: nn.Module):
        super().__init__()
        self.module, self._case = module, case

    def swapped(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Arguments with their first two axes exchanged where the batch is, or has to be, second."""
        sequences = {sequence_name(arguments)} if self._case.time_first else set()
        return {k: _swapped(v) if k in STATES or k in sequences else v for k, v in arguments.items()}

    def forward(self, **arguments: Any) -> Tensor:
        """The output (B, ...)."""
        output = output_of(self.module(**self.swapped(arguments)))
        return output.transpose(0, 1) if self._case.time_first and output.dim() == 3 else output


def pytest_torch(case: Case) -> Outcome:
    """The inference contract, padding and masks, streaming, checkpoints, and the checks of training."""
    tool = importlib.import_module("pytest_torch")
    collected = Collected()
    arguments, targets = case.example()
    module = BatchFirst(case, case.build()).eval()
    inputs = module.swapped(arguments)
    contract = tool.check_inference_contract(module, inputs, raise_on_failure=False)
    for result in contract.results:
        if result.status != "skip":
            collected.run(f"contract:{result.name}", lambda result=result: _raise_failed(result))
    _pytest_torch_padding(tool, collected, module, inputs)
    _pytest_torch_states(tool, collected, case, module)
    collected.run(
        "checkpoint_roundtrip",
        lambda: tool.assert_checkpoint_roundtrip(
            lambda: BatchFirst(case, case.module()).eval(), inputs, model=module
        ),
    )
    loss = loss_of(case)

    def trained(name: str) -> None:
        check = getattr(tool, name)
        collected.run(name, lambda: check(case.build(), arguments, lambda result: loss(result, targets)))

    for name in ("assert_gradients_finite", "assert_all_params_receive_grad", "assert_overfits_one_batch"):
        trained(name)
    return collected.outcome


def _raise_failed(result: Any) -> None:
    assert result.status == "pass", result.name


def _pytest_torch_padding(tool: Any, collected: Collected, module: nn.Module, inputs: dict[str, Any]) -> None:
    """Where there is a mask, or lengths: these stay the same when padding is appended."""
    if not {"attention_mask", "lengths"} & set(inputs):
        return
    mask = "attention_mask" if "attention_mask" in inputs else "lengths"
    left = mask == "attention_mask" and not bool(inputs[mask][:, 0].all())
    options = {"ids_key": sequence_name(inputs), "mask_key": mask}
    collected.run(
        "padding_invariant",
        lambda: tool.assert_padding_invariant(module, inputs, side="left" if left else "right", **options),
    )
    if mask == "attention_mask":
        collected.run("mask_invariant", lambda: tool.assert_mask_invariant(module, inputs, **options))


def _pytest_torch_states(tool: Any, collected: Collected, case: Case, module: nn.Module) -> None:
    """Streaming, for a module that takes and returns a state and needs nothing else."""
    arguments, _ = case.example()
    original = case.build().eval()
    state, name = state_name(original), sequence_name(arguments)
    if state is None or not set(arguments) <= {name, *LENGTH_NAMES, *STATES}:
        return

    def full(x: Tensor) -> Tensor:
        return output_of(original(**{name: x}))

    def piece(x: Tensor, carried: Any) -> tuple[Tensor, Any]:
        result = original(**{name: x, state: carried})
        return output_of(result), state_of(result)

    def check() -> None:
        with torch.no_grad():
            tool.assert_streaming_equivalent(
                full,
                piece,
                arguments[name],
                chunk_sizes=(1, 2),
                init_state=lambda: None,
                seq_dim=0 if case.time_first else 1,
            )

    collected.run("streaming", check)


class Embedded(nn.Module):
    """A module that reads vectors instead of token ids: its embedding gives them back."""

    def __init__(self, module: nn.Module, name: str, arguments: dict[str, Any]):
        super().__init__()
        self.module, self._name, self._arguments = module, name, arguments
        self.vectors: Tensor | None = None
        ids = arguments[name]
        for part in module.modules():
            if isinstance(part, nn.Embedding):
                part.register_forward_hook(self._replaced)
        self._shape = ids.shape

    def _replaced(self, _part: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if inputs[0].shape == self._shape and torch.equal(inputs[0], self._arguments[self._name]):
            assert self.vectors is not None
            return self.vectors
        return output

    def forward(self, vectors: Tensor) -> Tensor:
        """The output for vectors of the tokens."""
        self.vectors = vectors
        return output_of(self.module(**self._arguments))


def causal_certificate(case: Case) -> Outcome:
    """Certified where the inputs are differentiable: numbers, or the vectors of the tokens; in float64.

    A leak counts where the task forbids one; mixing of sequences always.
    """
    tool = importlib.import_module("causal_certificate")
    module, (arguments, _) = case.build().double().eval(), case.example()
    arguments = {key: as_double(value) for key, value in arguments.items()}
    name, axis = sequence_name(arguments), 0 if case.time_first else 1
    values = arguments[name]
    if values.is_floating_point():
        function: Callable[[Tensor], Tensor] = lambda x: output_of(module(**(arguments | {name: x})))  # noqa: E731
        x = values
    else:
        first = _embedding_of(module, name, arguments)
        if first is None:
            return Outcome(reason="no embedding of the tokens to certify at")
        function, x = Embedded(module, name, arguments), first
    try:
        report = tool.certify(function, x, seq_dim=axis, batch_dim=1 - axis)
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        return Outcome(reason=f"{type(error).__name__}: {error}"[:300])
    causal = case.task in ("language-model", "translate")
    leaks = [] if report.is_strictly_causal or not causal else ["temporal"]
    return Outcome(leaks + ([] if report.is_batch_independent else ["cross-batch"]), sound=1)


def _embedding_of(module: nn.Module, name: str, arguments: dict[str, Any]) -> Tensor | None:
    """The vectors that an embedding of the module gives for the tokens."""
    seen: list[Tensor] = []

    def keep(_part: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if inputs[0].shape == arguments[name].shape and torch.equal(inputs[0], arguments[name]):
            seen.append(output)

    handles = [
        part.register_forward_hook(keep) for part in module.modules() if isinstance(part, nn.Embedding)
    ]
    with torch.no_grad():
        module(**arguments)
    for handle in handles:
        handle.remove()
    return seen[0].detach() if seen else None


def pangolinn(case: Case) -> Outcome:
    """Its two test cases, for modules with an output for each step.

    Left out is its test that outputs in the padding are zero: a convention that few modules follow.
    """
    tool = importlib.import_module("pangolinn.seq2seq")
    arguments, _ = case.example()
    name = sequence_name(arguments)
    module = BatchFirst(case, case.build()).eval()
    arguments = module.swapped(arguments)
    output = module(**arguments)
    if output.dim() != 3 or output.shape[:2] != arguments[name].shape[:2]:
        return Outcome(reason="no output for each step")
    wrapper = _wrapper(tool, case, arguments, name, output.shape[2])
    collected = Collected()
    floats = arguments[name].is_floating_point()
    if case.task in ("language-model", "translate"):
        tests = [
            "test_not_looking_at_the_future",
            *(["test_gradient_not_flowing_from_future"] if floats else []),
        ]
        for test in tests:
            collected.run(test, lambda test=test: _unit_test(tool.CausalTestCase, wrapper, test))
    if {"lengths", "attention_mask"} & set(arguments):
        test = "test_batch_size_does_not_matter"
        collected.run(test, lambda: _unit_test(tool.EncoderPaddingTestCase, wrapper, test))
    return collected.outcome


def _wrapper(tool: Any, case: Case, arguments: dict[str, Any], name: str, outputs: int) -> type:
    """What the tool asks a user to write for a module."""
    values = arguments[name]
    floats = values.is_floating_point()

    class Wrapper(tool.PangolinnSeq2SeqModuleWrapper):
        num_input_channels = values.shape[2] if floats else 1
        num_output_channels = outputs
        input_dtype = values.dtype
        max_value_allowed = 12

        def build_module(self) -> nn.Module:
            return BatchFirst(case, case.build())

        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            found: dict[str, Any] = {name: x if floats else x.squeeze(2)}
            keep = (torch.arange(x.shape[1]) < lengths.unsqueeze(1)).long()
            for other, value in arguments.items():
                if other in LENGTH_NAMES[:1]:
                    found[other] = lengths
                elif other == "attention_mask":
                    found[other] = keep
                elif other == "labels":
                    found[other] = found[name]
                elif other != name:
                    found[other] = _rows(value, len(x))
            return self._module(**found)

    return Wrapper


def _rows(value: Any, count: int) -> Any:
    """As many rows as wanted, by repeating those of an argument."""
    if isinstance(value, tuple):
        return tuple(_rows(item, count) for item in value)
    return value[torch.arange(count) % len(value)]


def _unit_test(kind: type, wrapper: type, name: str) -> None:
    test = type("Test", (kind,), {"module_wrapper_class": wrapper})(name)
    result = unittest.TestResult()
    torch.manual_seed(0)
    test.run(result)
    if result.errors:
        raise RuntimeError(result.errors[0][1].strip().splitlines()[-1])
    assert not result.failures


MODULE_TOOLS: dict[str, Callable[[Case], Outcome]] = {
    "seqlab": seqlab_check,
    "pytest-torch": pytest_torch,
    "torchtest2": torchtest2,
    "causal-certificate": causal_certificate,
    "pangolinn": pangolinn,
}
PIPELINE_TOOLS: dict[str, Callable[[PipelineCase], Outcome]] = {"seqlab": seqlab_pipeline}


def outcomes(tool: str, wanted: set[str]) -> Iterator[dict[str, Any]]:
    """What a tool says of each case, in order."""
    for case in [*BROKEN, *HEALTHY, *BROKEN_PIPELINES, *HEALTHY_PIPELINES]:
        if wanted and case.name not in wanted:
            continue
        start = time.process_time()
        outcome = _guarded(tool, case)
        seconds = time.process_time() - start
        yield {
            "case": case.name,
            "kind": case.kind,
            "pipeline": isinstance(case, PipelineCase),
            "verdict": outcome.verdict,
            **asdict(outcome),
            "seconds": round(seconds, 3),
        }


def _guarded(tool: str, case: Case | PipelineCase) -> Outcome:
    """The outcome; what the tool prints is dropped, and its own error means that it is not applicable."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if isinstance(case, Case):
                return seeded(lambda: MODULE_TOOLS[tool](case))
            if tool in PIPELINE_TOOLS:
                return PIPELINE_TOOLS[tool](case)
            return Outcome(reason="it checks modules only")
    except Exception as error:  # a tool may raise anything
        return Outcome(reason=f"{type(error).__name__}: {error}"[:300])


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in outcomes(sys.argv[1], set(sys.argv[2:])):
        print(json.dumps(line), flush=True)
