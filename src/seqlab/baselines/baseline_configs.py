"""Settings of the baselines; what is heavy is imported when one is fitted or restored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.data.dataset import Split
from seqlab.schema.config import Config
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    from seqlab.baselines.baseline import Arrays, Baseline, FitContext


class BaselineConfig(Config, ABC):
    """Settings of a baseline. Subclasses: a line in `kinds.py`, what they fit in a file of its own."""

    kind: str
    """Name of the baseline."""
    task: ClassVar[str]
    """Kind of the task it is for."""

    @abstractmethod
    def check(self, ground: FitContext) -> None:
        """Make sure that it can be fitted on such data, before anything is begun.

        Raises:
            UserError: the data is not what the baseline needs.
        """

    @abstractmethod
    def fit(self, ground: FitContext, train: Split) -> Baseline:
        """The baseline fitted on the training split; no other split is seen."""

    @abstractmethod
    def restore(self, ground: FitContext, arrays: Arrays) -> Baseline:
        """The baseline that gave these arrays, equal to the bit."""


class MajorityConfig(BaselineConfig):
    """Labels as often as in training, whatever the text: p(k) = (n_k + 1) / (N + K).

    The one added to each of K counts keeps the loss finite. On any data with labels it is the constant
    predictor; its accuracy is the share of the most frequent label.
    """

    kind: Literal["majority"] = "majority"
    """Name of the baseline."""
    task: ClassVar[str] = "classify"

    def check(self, ground: FitContext) -> None:
        """Any data of its task will do; see `BaselineConfig.check`."""

    def fit(self, ground: FitContext, train: Split) -> Baseline:
        """Count labels; see `BaselineConfig.fit`."""
        from seqlab.baselines.majority import Majority

        return Majority.fit(train, len(ground.labels))

    @override
    def restore(self, ground: FitContext, arrays: Arrays) -> Baseline:
        from seqlab.baselines.majority import Majority

        return Majority(arrays["counts"])


class MeanConfig(BaselineConfig):
    """The mean number of the training texts, whatever the text: the best constant under squared error."""

    kind: Literal["mean"] = "mean"
    """Name of the baseline."""
    task: ClassVar[str] = "regress"

    def check(self, ground: FitContext) -> None:
        """Any data of its task will do; see `BaselineConfig.check`."""

    def fit(self, ground: FitContext, train: Split) -> Baseline:
        """Take the mean; see `BaselineConfig.fit`."""
        from seqlab.baselines.mean import MeanNumber

        return MeanNumber.fit(train)

    @override
    def restore(self, ground: FitContext, arrays: Arrays) -> Baseline:
        from seqlab.baselines.mean import MeanNumber

        return MeanNumber(arrays["mean"])


class NbSvmConfig(BaselineConfig):
    """Which words and pairs a text holds, weighed by naive Bayes, in a linear classifier.

    Wang and Manning 2012, with logistic regression in place of the support-vector machine, so that
    answers have probabilities; see `seqlab.baselines.nb_svm` for the equations.
    """

    kind: Literal["nb-svm"] = "nb-svm"
    """Name of the baseline."""
    task: ClassVar[str] = "classify"
    length: int = Field(default=2, ge=1, le=2)
    """Tokens of the longest feature: 1 looks at single tokens, 2 at neighbouring pairs, too."""
    alpha: float = Field(default=1.0, gt=0.0)
    """Added to the count of each feature in each class before their ratio is taken."""
    C: float = Field(default=1.0, gt=0.0)
    """Weight of the sum of the texts' losses against half the squared norm of the weights."""

    def check(self, ground: FitContext) -> None:
        """Any data of its task will do; see `BaselineConfig.check`."""

    @override
    def fit(self, ground: FitContext, train: Split) -> Baseline:
        from seqlab.baselines.nb_svm import fit

        sizes = {"vocabulary": len(ground.tokenizer.vocabulary), "classes": len(ground.labels)}
        return fit(train, **sizes, length=self.length, alpha=self.alpha, C=self.C)

    @override
    def restore(self, ground: FitContext, arrays: Arrays) -> Baseline:
        from seqlab.baselines.nb_svm import NbSvm

        return NbSvm(arrays, vocabulary=len(ground.tokenizer.vocabulary), length=self.length)


class NGramConfig(BaselineConfig):
    """The next token by how often it followed the same few tokens; interpolated modified Kneser-Ney.

    Chen and Goodman 1998; see `seqlab.baselines.n_gram` for the equations. Order 1 is the unigram model.
    """

    kind: Literal["n-gram"] = "n-gram"
    """Name of the baseline."""
    task: ClassVar[str] = "language-model"
    order: int = Field(default=5, ge=1)
    """Tokens of the longest counted sequence: the predicted one and up to order - 1 before it."""

    def check(self, ground: FitContext) -> None:
        """Any data of its task will do; see `BaselineConfig.check`."""

    @override
    def fit(self, ground: FitContext, train: Split) -> Baseline:
        from seqlab.baselines.n_gram import NGram

        return NGram.fit(train, ground.tokenizer.vocabulary, self.order)

    @override
    def restore(self, ground: FitContext, arrays: Arrays) -> Baseline:
        from seqlab.baselines.n_gram import NGram

        return NGram(arrays, ground.tokenizer.vocabulary, self.order)


class TruthConfig(BaselineConfig):
    """The distribution itself that texts are drawn from: its loss is the floor of every model's.

    Nothing is fitted.
    """

    kind: Literal["oracle"] = "oracle"
    """Name of the baseline."""
    task: ClassVar[str] = "language-model"

    @override
    def check(self, ground: FitContext) -> None:
        self.restore(ground, {})

    @override
    def fit(self, ground: FitContext, train: Split) -> Baseline:
        return self.restore(ground, {})

    @override
    def restore(self, ground: FitContext, arrays: Arrays) -> Baseline:
        from seqlab.baselines.oracle_baseline import OracleBaseline

        oracle = ground.data.oracle(ground.tokenizer)
        if oracle is None:
            raise UserError(
                "'baseline.kind' must not be 'oracle' where the distribution of the data is not known: it takes "
                "generated data and data.tokenizer.kind='characters', or 'whitespace' for words. "
                f"Got data.kind={ground.data.kind!r} and data.tokenizer.kind={ground.data.tokenizer.kind!r}. "
                "Nearest: baseline.kind=n-gram."
            )
        return OracleBaseline(oracle)
