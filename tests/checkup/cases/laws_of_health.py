"""Which laws a healthy case must keep, by what its batch and signature are."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from cases import calling, laws, training_laws
from cases.calling import Law
from cases.case import Case


def applying(case: Case) -> Iterator[Law]:
    """The laws that hold for any healthy module like this one, without those that it is exempt from."""
    return (law for law in _applying(case) if law.__name__ not in case.exempt)


def _applying(case: Case) -> Iterator[Law]:
    arguments, targets = case.example()
    causal = case.task in ("language-model", "translate")
    yield from (laws.rows_independent, laws.rows_permute, laws.deterministic, training_laws.finite)
    yield from (training_laws.parameters_used, laws.evaluation_equals_training, laws.uses_every_input)
    yield from (training_laws.weights_are_state, laws.outputs_vary, laws.other_sizes, laws.remembers)
    yield laws.order_matters
    if causal:
        yield from (laws.no_look_ahead, laws.no_look_ahead_in_training)
    if calling.padded_names(arguments):
        yield from (laws.padding_content, laws.padding_amount)
    tokens = arguments[calling.sequence_name(arguments)]
    plain = not tokens.is_floating_point() and not case.time_first and not calling.padded_names(arguments)
    if case.task == "language-model" and plain:
        yield laws.predicts_next
    if targets is not None and not targets.is_floating_point():
        yield from (training_laws.starts_at_chance, laws.gives_logits)
    module = case.build()
    if calling.state_name(module) is not None:
        yield from (laws.whole_equals_pieces, laws.whole_equals_chunks)
        if "lengths" in inspect.signature(module.forward).parameters and "lengths" in arguments:
            yield laws.final_state
