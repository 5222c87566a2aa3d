"""A language model of generated data, held against what is known of it: its distributions and its samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from seqlab.data import oracle_floor as truth
from seqlab.data.sources.generated import GeneratedConfig
from seqlab.data.token_oracle import TokenOracle, has_oracle
from seqlab.decode.sampling import SamplingOptions
from seqlab.evaluate.loaded import samples_behind
from seqlab.experiment import seeding
from seqlab.experiment.network_experiment import Experiment
from seqlab.languages.judging import Judgement, Sample, judge
from seqlab.languages.language import FormalLanguage
from seqlab.languages.legacy_checks import LEGACY_CHECKS
from seqlab.measure.oracle_comparison import NATS, OracleComparison, compare
from seqlab.runs.cards import OracleCard
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.records import Curve, Record, Scalar, Text

TEXTS = 1_000
"""Texts of a split on which distributions are compared."""
DRAWN = 20_000
"""Strings from which the lengths of the language are counted."""
SAMPLES = "samples"
"""What stands for the split of a number that is of samples."""


class OracleCheck:
    """Holds the model of an experiment against the truth of its data."""

    def __init__(self, experiment: Experiment):
        config = experiment.config.data
        assert isinstance(config, GeneratedConfig), "see `oracle_check`"
        self._experiment, self._config = experiment, config
        self._known = TokenOracle(config.language(), experiment.dataset.tokenizer)

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
        return samples_behind(
            self._experiment.model,
            self._experiment.dataset.tokenizer,
            self._prompts(count, purpose, step),
            name="sample",
            length=settings.max_tokens,
            choice=SamplingOptions(temperature=settings.temperature),
            random=seeding.generator(seed, purpose, step),
        )

    def judge(self, texts: list[Text]) -> Judgement:
        """Exact shares, and why the wrong ones are wrong."""
        samples = [Sample(text.prompt + text.text, text.complete) for text in texts]
        course = self._config.legacy_check
        return judge(
            self._known.language,
            samples,
            seen=self._seen,
            lengths=self._lengths,
            words=self._config.words_known(),
            course=LEGACY_CHECKS[course] if course else None,
        )

    def compare(self, split: str) -> OracleComparison:
        """The model's distributions beside the truth's, on texts from all over a split."""
        data = self._experiment.dataset.splits[split]
        known = self._known
        if split == "longer":
            whole = self._config.longer_source()
            assert whole is not None, "the split is drawn from it"
            known = TokenOracle(whole, self._experiment.dataset.tokenizer)
        return compare(self._experiment.model, self._experiment.task, known, data.spread(TEXTS))

    def card(self, loss: float, step: int) -> tuple[OracleCard, list[Record]]:
        """What is known of the final weights, those of a step, whose mean loss on validation is given."""
        config, settings = self._config, self._experiment.config.samples
        floor = truth.floor(config, self._experiment.dataset, "valid")
        compared, records = self.compare("valid"), list[Record]()
        entropy = self._known.language.entropy()
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
            fits = sum(share for length, share in self._lengths.items() if length <= settings.max_tokens)
            metrics |= {**found.shares, "complete_of_truth": fits}
            card["longest_valid"] = found.longest_valid
            card["first_wrong"] = found.explained[0][0] if found.explained else None
            card["explained"] = [
                {"text": text, "position": why.place, "token": why.token, "allowed": list(why.allowed)}
                for text, why in found.explained
            ]
            records += _lengths_of(self._known.language, texts, self._lengths)
            how += f"; {len(texts):,} samples of at most {settings.max_tokens} tokens"
        card["scored_as"] = how
        return card, records

    @cached_property
    def _seen(self) -> frozenset[str]:
        return frozenset(truth.texts(self._experiment.dataset, "train"))

    @cached_property
    def _lengths(self) -> Mapping[int, float]:
        language = self._known.language
        texts = language.draw(DRAWN, np.random.default_rng(0))
        counts = Counter(len(language.split(text)) for text in texts)
        return {length: count / DRAWN for length, count in counts.items()}

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
            ids = split.tokens[split.offsets[index] : split.offsets[index + 1]][: settings.prompt_tokens]
            found.append(dataset.tokenizer.decode(ids.tolist()))
        return found


def oracle_check(experiment: Experiment) -> OracleCheck | None:
    """What holds an experiment's model against the truth; None where no truth is known of its tokens."""
    config, dataset = experiment.config.data, experiment.dataset
    if not experiment.model.capabilities.causal or "valid" not in dataset.splits:
        return None
    if not isinstance(config, GeneratedConfig) or not has_oracle(config.language(), dataset.tokenizer):
        return None
    return OracleCheck(experiment)


def write_oracle_card(run: RunFolder, check: OracleCheck, *, loss: float, step: int) -> list[Record]:
    """Compare the final weights with the true distribution, and write the oracle card.

    Args:
        run: where the card goes.
        check: of the experiment with these weights.
        loss: of these weights on the validation split, in nats per token.
        step: the optimiser step they stand behind.

    Returns:
        Records of the same.
    """
    card, records = check.card(loss, step)
    run.write_oracle_card(card)
    return records


def _lengths_of(
    language: FormalLanguage[Any], texts: list[Text], lengths: Mapping[int, float]
) -> list[Record]:
    """Shares of lengths, of samples that ended and of the language."""
    ended = [text for text in texts if text.complete]
    counts = Counter(len(language.split(text.prompt + text.text)) for text in ended)
    shares = {length: count / len(ended) for length, count in counts.items()}
    return [
        Curve(
            name="lengths",
            x=tuple(sorted(known)),
            y=tuple(known[length] for length in sorted(known)),
            x_unit="tokens",
            y_unit="fraction of texts",
            split=split,
        )
        for split, known in ((SAMPLES, shares), ("oracle", lengths))
        if known
    ]


def _scalar(name: str, value: float, unit: str, split: str) -> Scalar:
    return Scalar(name=name, value=value, unit=unit, split=split)
