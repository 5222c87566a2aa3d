"""A language model of generated data, compared with the true distribution, and its samples judged."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any

import numpy as np

from seqlab.data import oracle_floor as truth
from seqlab.data.token_oracle import TokenOracle
from seqlab.decode.sampling import SamplingOptions
from seqlab.evaluate.decoding import continue_prompts
from seqlab.experiment import seeding
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.languages.expected_lengths import ExpectedLengths, expected_lengths
from seqlab.languages.judging import Judgement, Sample, judge
from seqlab.languages.language import FormalLanguage
from seqlab.measure.oracle_comparison import NATS, OracleComparison, compare
from seqlab.runs.cards import OracleCard
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.records import Curve, Record, Scalar, Text

TEXTS = 1_000
"""Texts of a split on which distributions are compared."""
SAMPLES = "samples"
"""The split of records that are of samples."""


class OracleCheck:
    """Compares the model of an experiment with the true distribution of its data."""

    def __init__(self, experiment: NetworkExperiment, oracle: TokenOracle):
        self._experiment, self._oracle = experiment, oracle
        settings = experiment.config.samples
        if settings.checked or settings.checked_at_end:
            # Lengths that cannot be computed are refused now, not after training.
            expected_lengths(oracle.language, {settings.prompt: 1}, settings.max_tokens)

    def validation(self, step: int) -> list[Record]:
        """What is recorded with each validation."""
        count = self._experiment.config.samples.checked
        compared = self.compare("valid")
        records: list[Record] = [_scalar("divergence", float(compared.divergence.mean()), NATS, "valid")]
        records += compared.curves("valid")
        if not count:
            return records
        found = self.judge(self.draw(count, "check", step))
        records += [_scalar(name, share, "fraction", SAMPLES) for name, share in found.shares.items()]
        return records

    def draw(self, count: int, purpose: str, step: int) -> list[Text]:
        """Samples with their prompts; the draws depend on the seed, the purpose and the step alone."""
        settings, seed = self._experiment.config.samples, self._experiment.config.seed
        return continue_prompts(
            self._experiment.model,
            self._experiment.dataset.tokenizer,
            self._prompts(count, purpose, step),
            name="sample",
            length=settings.max_tokens,
            options=SamplingOptions(temperature=settings.temperature),
            random=seeding.generator(seed, purpose, step),
        )

    def judge(self, texts: list[Text]) -> Judgement:
        """Exact shares, and why the wrong ones are wrong."""
        samples = [Sample(text.prompt + text.text, text.complete) for text in texts]
        return judge(
            self._oracle.language,
            samples,
            seen=self._seen,
            expected=self.expected(texts),
            words=self._oracle.words,
            legacy_check=self._oracle.legacy_check,
        )

    def compare(self, split: str) -> OracleComparison:
        """The model's distributions and the true ones, on texts from all over a split."""
        data = self._experiment.dataset.splits[split]
        oracle = self._oracle.longer if split == "longer" else self._oracle
        assert oracle is not None, "the split is drawn from it"
        return compare(self._experiment.model, self._experiment.task, oracle, data.subsample(TEXTS))

    def card(self, loss: float, step: int) -> tuple[OracleCard, list[Record]]:
        """The oracle card of the weights of an optimizer step, given their loss on the validation split."""
        settings = self._experiment.config.samples
        floor = truth.floor(self._oracle.language, self._experiment.dataset, "valid")
        compared, records = self.compare("valid"), list[Record]()
        entropy = self._oracle.language.entropy()
        metrics = {
            "floor": floor,
            "above_floor": loss - floor,
            "divergence": float(compared.divergence.mean()),
            "entropy": entropy.per_token,
            "accepted": float(compared.accepted.mean()),
        }
        card: OracleCard = {
            "metrics": metrics,
            "split": "valid",
            "longest_valid": None,
            "first_wrong": None,
            "explained": [],
            "scored_as": "",
            "checkpoint_step": step,
        }
        how = f"truth on the same tokens; distributions on {len(compared.lengths):,} texts"
        if entropy.strings:
            how += f"; entropy of {entropy.strings:,} strings, error {entropy.error:.4f} nats per string"
        if "longer" in self._experiment.dataset.splits:
            longer = self.compare("longer")
            metrics["accepted_longer"] = float(longer.accepted.mean())
            records += [*compared.acceptance("valid"), *longer.acceptance("longer")]
        if settings.checked_at_end:
            texts = self.draw(settings.checked_at_end, "final check", 0)
            found = self.judge(texts)
            expected = self.expected(texts)
            metrics |= found.shares | _expected_shares(expected, texts)
            card["longest_valid"] = found.longest_valid
            card["first_wrong"] = found.explained[0][0] if found.explained else None
            card["explained"] = [
                {
                    "text": text,
                    "position": error.position,
                    "token": error.token,
                    "allowed": list(error.allowed),
                }
                for text, error in found.explained
            ]
            records += _lengths_of(self._oracle.language, texts, expected)
            how += f"; {len(texts):,} samples of at most {settings.max_tokens} tokens"
        card["scored_as"] = how
        return card, records

    @cached_property
    def _seen(self) -> frozenset[str]:
        return frozenset(truth.texts(self._experiment.dataset, "train"))

    def expected(self, texts: list[Text]) -> ExpectedLengths:
        """The lengths of strings of the true distribution after the same prompts, cut at the same length."""
        prompts = Counter(text.prompt for text in texts)
        return expected_lengths(self._oracle.language, prompts, self._experiment.config.samples.max_tokens)

    def _prompts(self, count: int, purpose: str, step: int) -> list[str]:
        settings = self._experiment.config.samples
        if not settings.prompt_tokens:
            return [settings.prompt] * count
        dataset, split = self._experiment.dataset, self._experiment.dataset.splits["valid"]
        random = np.random.default_rng(
            seeding.derive(self._experiment.config.seed, f"{purpose} prompts", step)
        )
        found = []
        for index in random.integers(len(split), size=count).tolist():
            ids = split.text[index][: settings.prompt_tokens]
            found.append(dataset.tokenizer.decode(ids.tolist()))
        return found


def oracle_check(experiment: NetworkExperiment) -> OracleCheck | None:
    """What compares an experiment's model with the true distribution; None where that is not known."""
    if experiment.oracle is None or "valid" not in experiment.dataset.splits:
        return None
    return OracleCheck(experiment, experiment.oracle) if experiment.task.output == "text" else None


def write_oracle_card(run: RunFolder, check: OracleCheck, *, loss: float, step: int) -> list[Record]:
    """Compare the final weights with the true distribution, and write the oracle card.

    Args:
        run: where the card goes.
        check: of the experiment with these weights.
        loss: of these weights on the validation split, in nats per token.
        step: the optimizer step that gave them.

    Returns:
        Records of the same.
    """
    card, records = check.card(loss, step)
    run.write_oracle_card(card)
    return records


def _expected_shares(expected: ExpectedLengths, texts: list[Text]) -> dict[str, float]:
    """What as many strings of the true distribution have, by the names under which it is recorded."""
    shares = {"expected_complete_samples": expected.complete}
    complete = sum(text.complete for text in texts)
    if complete and expected.lengths:
        shares["expected_length_distance"] = expected.expected_distance(complete)
    return shares


def _lengths_of(language: FormalLanguage[Any], texts: list[Text], expected: ExpectedLengths) -> list[Record]:
    """Shares of lengths, of samples that ended and of the strings of the language that do."""
    ended = [text for text in texts if text.complete]
    counts = Counter(len(language.split(text.prompt + text.text)) for text in ended)
    shares = {length: count / len(ended) for length, count in counts.items()}
    return [
        Curve(
            name="lengths",
            x=tuple(sorted(known)),
            y=tuple(known[length] for length in sorted(known)),
            x_unit="tokens",
            y_unit="fraction of complete texts",
            split=split,
        )
        for split, known in ((SAMPLES, shares), ("oracle", expected.lengths))
        if known
    ]


def _scalar(name: str, value: float, unit: str, split: str) -> Scalar:
    return Scalar(name=name, value=value, unit=unit, split=split)
