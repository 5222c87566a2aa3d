"""The package's registries: datasets, tokenizers and batching strategies by kind."""

from __future__ import annotations

from seqlab.schema.registry import Registry

DATASETS = Registry(
    "dataset",
    {
        "imdb": ("seqlab.data.sources.imdb:ImdbConfig", "50,000 film reviews, positive or negative"),
        "ptb": ("seqlab.data.sources.ptb:PtbConfig", "Penn Treebank news text, by words or characters"),
        "tiny_shakespeare": (
            "seqlab.data.sources.tiny_shakespeare:TinyShakespeareConfig",
            "1.1 MB of Shakespeare's plays",
        ),
        "python_source": (
            "seqlab.data.sources.python_source:PythonSourceConfig",
            "source code of Python's standard library",
        ),
        "unicode_names": (
            "seqlab.data.sources.unicode_names:UnicodeNamesConfig",
            "the names of Unicode's characters",
        ),
        "table": (
            "seqlab.data.sources.table:TableConfig",
            "your own labelled texts: CSV, TSV, JSONL or Parquet",
        ),
        "text": ("seqlab.data.sources.text:TextConfig", "your own text: a file, several files or a folder"),
        "import": (
            "seqlab.data.sources.imported_dataset:ImportedDatasetConfig",
            "your own: data.path=FILE.py:NAME, a function that returns texts",
        ),
        "ndfa": (
            "seqlab.data.sources.ndfa:NdfaConfig",
            "one of three words, repeated, between two `s`; generated",
        ),
        "brackets": ("seqlab.data.sources.brackets:BracketsConfig", "balanced brackets (Dyck-1), generated"),
        "dyck": ("seqlab.data.sources.brackets:DyckConfig", "balanced brackets of several kinds, generated"),
        "toy": (
            "seqlab.data.sources.grammar_sentences:ToyConfig",
            "sentences of a small English grammar, generated",
        ),
        "grammar": (
            "seqlab.data.sources.grammar_sentences:GrammarConfig",
            "your own context-free grammar, generated",
        ),
        "parity": (
            "seqlab.data.sources.regular_languages:ParityConfig",
            "bits with an even number of ones, generated",
        ),
        "tomita": (
            "seqlab.data.sources.regular_languages:TomitaConfig",
            "Tomita's seven regular languages, generated",
        ),
        "counting": (
            "seqlab.data.sources.counting_dataset:CountingConfig",
            "a^n b^n or a^n b^n c^n, generated",
        ),
        "regular-expression": (
            "seqlab.data.sources.regular_languages:RegularExpressionConfig",
            "your own regular expression, generated",
        ),
        "marked_addition": (
            "seqlab.data.sources.marked_addition:MarkedAdditionConfig",
            "the sum of a marked digit and the last one, generated",
        ),
        "adding": (
            "seqlab.data.sources.adding:AddingConfig",
            "the sum of two marked numbers, generated (Le et al. 2015, Arjovsky et al. 2016)",
        ),
        "adding_1997": (
            "seqlab.data.sources.adding:Adding1997Config",
            "the adding problem of Hochreiter and Schmidhuber (1997), generated",
        ),
        "copy": (
            "seqlab.data.sources.copy_dataset:CopyConfig",
            "a word, a gap and the same word again, generated",
        ),
        "associative_recall": (
            "seqlab.data.sources.associative_recall:AssociativeRecallConfig",
            "recall the digit that followed a letter, generated",
        ),
        "temporal_order": (
            "seqlab.data.sources.temporal_order:TemporalOrderConfig",
            "the order of two distant symbols, generated",
        ),
    },
    listed="datasets",
)

TOKENIZERS = Registry(
    "tokenizer",
    {
        "words": ("seqlab.data.tokenizers.words:WordsConfig", "lower-case words of the letters a-z"),
        "unicode-words": (
            "seqlab.data.tokenizers.unicode_words:UnicodeWordsConfig",
            "lower-case words of letters and digits of any alphabet",
        ),
        "whitespace": (
            "seqlab.data.tokenizers.whitespace:WhitespaceConfig",
            "everything between whitespace, unchanged",
        ),
        "characters": ("seqlab.data.tokenizers.characters:CharactersConfig", "Unicode characters"),
        "bytes": ("seqlab.data.tokenizers.byte_level:BytesConfig", "the 256 bytes of UTF-8"),
        "numbers": (
            "seqlab.data.tokenizers.numbers:NumbersConfig",
            "numbers on a grid; a model can read their values",
        ),
        "bpe": (
            "seqlab.data.tokenizers.subwords:BpeConfig",
            "byte-pair encoding, learned from the training split",
        ),
        "wordpiece": (
            "seqlab.data.tokenizers.subwords:WordPieceConfig",
            "WordPiece, learned from the training split",
        ),
        "import": (
            "seqlab.data.tokenizers.imported_tokenizer:ImportedTokenizerConfig",
            "your own: data.tokenizer.path=FILE.py:NAME, a function that splits a text",
        ),
    },
    listed="tokenizers",
)

BATCHING = Registry(
    "batching",
    {
        "sequences": ("seqlab.data.batching:SequencesConfig", "n sequences of similar length per batch"),
        "tokens": ("seqlab.data.batching:TokensConfig", "at most n tokens per batch, padding included"),
        "packed": (
            "seqlab.data.batching:PackedConfig",
            "at most n tokens per batch, padding not counted",
        ),
        "stream": (
            "seqlab.data.stream_batching:StreamConfig",
            "windows of contiguous text; the recurrent state is carried over",
        ),
    },
    listed="batching",
)
