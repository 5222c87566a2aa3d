"""Why a model gives its answers: the effect of each word of a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from seqlab.data.sources.missing_texts import has_text
from seqlab.evaluate.explainer import Explainer, WordEffects
from seqlab.evaluate.explainer_kinds import EXPLAINERS
from seqlab.evaluate.prediction import probabilities
from seqlab.evaluate.text_predictor import TextPredictor
from seqlab.evaluate.word_groups import ReadText
from seqlab.schema.errors import UserError, require_utf8, unknown
from seqlab.schema.text_explanation import (
    ExplainedWord,
    Explanations,
    TextExplanation,
    without_answer,
)

STEPPED = "integrated-gradients"
"""The method that has steps."""


@dataclass(frozen=True)
class ChosenExplainer:
    """A method that was chosen for a run.

    reason: why this one, a sentence. output: index of the label that is explained; None: the likeliest one.
    """

    loaded: TextPredictor
    method: str
    reason: str
    explainer: Explainer
    output: int | None

    def texts(self, texts: Iterable[str]) -> Iterator[TextExplanation]:
        """The explanation of each text; of one without any character but spaces it is empty.

        Raises:
            UserError: a text is not UTF-8, or too long.
        """
        for index, text in enumerate(texts):
            require_utf8(text, f"The text at index {index}")
            yield self._text(text) if has_text(text) else without_answer(text)

    def together(self, texts: Iterable[TextExplanation], total: int) -> Explanations:
        """Explained texts with what they have in common; `total`: how many there are, shown or not."""
        return Explanations(
            run=self.loaded.run.path.name,
            method=self.method,
            reason=self.reason,
            quantity=self.explainer.quantity,
            meaning=self.explainer.meaning,
            texts=tuple(texts),
            total=total,
        )

    def _text(self, text: str) -> TextExplanation:
        read, labels = self.loaded.read(text), self.loaded.labels
        outputs = self.loaded.answers([text]).outputs
        shares = probabilities(outputs)[0] if labels else None
        best = int(outputs[0].argmax())
        output = best if self.output is None else self.output
        found = self.explainer.effects(read, output)
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
        UserError: the model is a language model, has no such label, or the method does not suit it.
    """
    _check_answers(loaded)
    output = None if label is None else _output(loaded, label)
    if method is None and steps is not None:
        method = STEPPED
    if method is not None:
        return ChosenExplainer(loaded, method, "It was chosen.", EXPLAINERS[method](loaded, steps), output)
    refusal = ""
    for kind in EXPLAINERS:
        try:
            explainer: Explainer = EXPLAINERS[kind](loaded, steps)
        except UserError as error:
            refusal = str(error)
        else:
            return ChosenExplainer(loaded, kind, explainer.reason or refusal, explainer, output)
    raise AssertionError("occlusion suits every model")


def _check_answers(loaded: TextPredictor) -> None:
    if loaded.config.task.output not in ("class", "number"):
        raise UserError(
            f"{loaded.run.path} must hold a model that labels texts or predicts a number. Got a language "
            "model. Nearest: `seqlab diagnose`, which measures how far back its gradient reaches."
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
