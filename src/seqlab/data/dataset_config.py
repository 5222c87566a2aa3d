"""The settings of a dataset: from a kind and its fields to encoded splits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

from pydantic import Field

from seqlab.data.cache import load_or_encode
from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import About, Corpus, Dataset, Split
from seqlab.data.locations import located
from seqlab.data.sources.table_format import Column, TableFormat
from seqlab.data.token_oracle import TokenOracle
from seqlab.data.tokenizers.tokenizer import Tokenizer, TokenizerConfig
from seqlab.data.training_subset import keep_training
from seqlab.data.unlabelled import leave_out
from seqlab.schema.code_settings import identity, load_code
from seqlab.schema.config import Config, canonical
from seqlab.schema.plugin_settings import identities, used_plugins
from seqlab.schema.registry import ByKind


class DatasetConfig(Config, ABC):
    """Settings of a dataset. Subclasses: one file each in `data/sources`, one line in `data_kinds.py`."""

    even_labels: ClassVar[bool] = False
    """Whether `train_size` keeps equally many texts of each label; else labels keep their shares."""

    if_changed: ClassVar[str] = "Run the same command again."
    """What its user can do where the source gave other texts after reading than before."""
    kind: str
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)]
    """How texts become tokens; its vocabulary comes from the training split only, and from unlabelled texts
    where there are any."""
    train_size: int | None = Field(default=None, ge=1)
    """Training examples that are kept, of a running text its first characters; none: all. A smaller size
    keeps a part of what a larger one keeps. The vocabulary is that of what is kept."""

    @abstractmethod
    def about(self) -> About:
        """Origin and licence."""

    @abstractmethod
    def content_hash(self) -> str:
        """SHA-256 of the sources' bytes, or of the generator's settings."""

    @abstractmethod
    def read(self) -> Corpus:
        """Read or generate the texts of every split, the training split whole."""

    def subset_seed(self) -> int:
        """Determines which examples `train_size` keeps."""
        return 0

    def corpus(self) -> Corpus:
        """The texts of every split, `train_size` of the training split, and the unlabelled ones.

        Unlabelled texts that are in a split that is scored are left out.

        Raises:
            UserError: there is not as much, or less than an example of each label would be kept, or no
                unlabelled text is left.
        """
        whole = self.read()
        if self.train_size is not None:
            whole = keep_training(whole, self.train_size, seed=self.subset_seed(), even=self.even_labels)
        return leave_out(whole)

    def source_tokenizer_config(self) -> TokenizerConfig:
        """The tokenizer of the sources, where texts have sources; that of the texts unless overridden."""
        return self.tokenizer

    def table_column(self) -> Column:
        """The column with the texts, in tables that a model of this data predicts."""
        return Column("text", "")

    def table_format(self) -> TableFormat:
        """How such tables are written."""
        return TableFormat()

    def oracle(self, tokenizer: Tokenizer) -> TokenOracle | None:
        """The true distribution of the texts over the tokens of a vocabulary; None where it is not known."""
        return None

    def check_training(self, dataset: Dataset) -> None:
        """Check that an epoch can be learned from these splits, before training begins.

        Raises:
            UserError: it cannot.
        """
        return

    def training_split(self, dataset: Dataset, seed: int) -> Split:
        """What one epoch learns from: the split `train`, or examples drawn from the seed of that epoch."""
        return dataset.splits["train"]

    def build(self) -> Dataset:
        """The encoded dataset, from the cache when it is there."""
        hashes = {key: code.sha256 for key, code in load_code(self).items()}
        settings = canonical(located(identity(self, hashes))) + identities(dict(used_plugins(self)))
        return load_or_encode(self, settings)
