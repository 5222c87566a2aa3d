"""Why a model gives its answers: the effect of each word of a text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from seqlab.data.sources.missing_texts import has_text
from seqlab.evaluate.explainer import Explainer, WordEffects
from seqlab.evaluate.explainer_kinds import EXPLAINERS
from seqlab.evaluate.prediction import probabilities
from seqlab.evaluate.surprisal import Surprisal
from seqlab.evaluate.text_predictor import TextPredictor
from seqlab.evaluate.word_groups import ReadText
from seqlab.schema.errors import UserError, require_utf8, unknown
from seqlab.schema.text_explanation import (
    ExplainedWord,
    Explanations,
    TextExplanation,
    without_answer,
)

STEPPED, SURPRISAL = "integrated-gradients", "surprisal"
"""The method that has steps, and the only one for language models."""


@dataclass(frozen=True)
class ChosenExplainer:
    """A method that was chosen for a run.

    run: name of its folder. reason: why this method, a sentence. quantity, meaning: see `Explanations`.
    of_text: the explanation of a text that has a character other than a space.
    """

    run: str
    method: str
    reason: str
    quantity: str
    meaning: str
    of_text: Callable[[str], TextExplanation]

    def texts(self, texts: Iterable[str]) -> Iterator[TextExplanation]:
        """The explanation of each text; of one without any character but spaces it is empty.

        Raises:
            UserError: a text is not UTF-8, or too long.
        """
        for index, text in enumerate(texts):
            require_utf8(text, f"The text at index {index}")
            yield self.of_text(text) if has_text(text) else without_answer(text)

    def together(self, texts: Iterable[TextExplanation], total: int) -> Explanations:
        """Explained texts with what they have in common; `total`: how many there are, shown or not."""
        return Explanations(
            run=self.run,
            method=self.method,
            reason=self.reason,
            quantity=self.quantity,
            meaning=self.meaning,
            texts=tuple(texts),
            total=total,
        )


def choose_explainer(
    loaded: TextPredictor, *, method: str | None = None, label: str | None = None, steps: int | None = None
) -> ChosenExplainer:
    """Choose how the answers of a model are explained.

    Args:
        loaded: what the run has learned.
        method: key of `EXPLAINERS`; None: the first one that suits the model.
        label: the label that is explained; None: the likeliest one of each text.
        steps: of integrated gradients, at first.

    Raises:
        UserError: the model has no such label, or the method does not suit it.
    """
    if loaded.config.task.output == "text":
        return _surprisal(loaded, method=method, label=label, steps=steps)
    _check_labels(loaded)
    output = None if label is None else _output(loaded, label)
    if method is None and steps is not None:
        method = STEPPED
    if method is not None:
        return _chosen(loaded, method, "It was chosen.", EXPLAINERS[method](loaded, steps), output)
    refusal = ""
    for kind in EXPLAINERS:
        try:
            explainer: Explainer = EXPLAINERS[kind](loaded, steps)
        except UserError as error:
            refusal = str(error)
        else:
            return _chosen(loaded, kind, explainer.reason or refusal, explainer, output)
    raise AssertionError("occlusion suits every model")


def _surprisal(
    loaded: TextPredictor, *, method: str | None, label: str | None, steps: int | None
) -> ChosenExplainer:
    """Of a language model: its answer to a text is the probability of the text, a product over tokens."""
    for name, value in (("label", label), ("steps", steps)):
        if value is not None:
            raise UserError(
                f"'{name}' must be left out for a language model, whose surprisals are exact and of no "
                f"label. Got {value!r}."
            )
    if method not in (None, SURPRISAL):
        raise UserError(f"'method' must be {SURPRISAL!r} for a language model. Got {method!r}.")
    found = Surprisal(loaded.config, loaded.one_model())
    reason = "The model is a language model."
    return ChosenExplainer(
        loaded.run.path.name, SURPRISAL, reason, "surprisal, in bits", found.meaning, found.explanation
    )


def _chosen(
    loaded: TextPredictor, method: str, reason: str, explainer: Explainer, output: int | None
) -> ChosenExplainer:
    """Of a model that labels texts; `output`: index of the explained label, None: the likeliest one."""
    of_text = partial(_explanation, loaded, explainer, output)
    name = loaded.run.path.name
    return ChosenExplainer(name, method, reason, explainer.quantity, explainer.meaning, of_text)


def _explanation(
    loaded: TextPredictor, explainer: Explainer, chosen: int | None, text: str
) -> TextExplanation:
    read, labels = loaded.read(text), loaded.labels
    outputs = loaded.answers([text]).outputs
    shares = probabilities(outputs)[0] if labels else None
    best = int(outputs[0].argmax())
    output = best if chosen is None else chosen
    found = explainer.effects(read, output)
    return TextExplanation(
        text=text,
        predicted=labels[best] if labels else "",
        label=labels[output] if labels else "",
        probability=None if shares is None else float(shares[output]),
        value=found.value,
        baseline=found.baseline,
        gap=found.gap,
        steps=found.steps,
        converged=found.gap is None or found.gap <= found.tolerance,
        words=tuple(_words(read, found)),
    )


def _check_labels(loaded: TextPredictor) -> None:
    if loaded.config.task.output not in ("class", "number"):
        raise UserError(
            f"{loaded.run.path} must hold a language model, or one that labels texts or predicts a "
            "number. Got one that translates."
        )
    if len(loaded.labels) == 1:
        raise UserError(
            f"{loaded.run.path} must have at least 2 labels. Got 1, which nothing in a text changes."
        )


def _output(loaded: TextPredictor, label: str) -> int:
    if not loaded.labels:
        raise UserError("'label' must be left out for a model that predicts a number.")
    if label not in loaded.labels:
        raise unknown("label", label, loaded.labels)
    return loaded.labels.index(label)


def _words(read: ReadText, found: WordEffects) -> Iterator[ExplainedWord]:
    effects = iter(found.effects.tolist())
    for word in read.words:
        start, end = (None, None) if word.span is None else word.span
        effect = next(effects) if len(word.tokens) else None
        yield ExplainedWord(
            text=word.text, start=start, end=end, tokens=word.names, effect=effect, status=word.status
        )
