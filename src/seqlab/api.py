"""seqlab in Python and in notebooks: train, load a run, inspect it, use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.experiment.handed_over import assignments, code_path
from seqlab.runs import run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.config import override, parse, plain
from seqlab.schema.errors import UserError, unknown
from seqlab.schema.records import Scalar, Text
from seqlab.schema.visible import visible
from seqlab.stats.formatting import format_value
from seqlab.training.callback import Counted
from seqlab.training.progress import Progress

if TYPE_CHECKING:
    import altair as alt

    from seqlab.evaluate.checkups import Checkup
    from seqlab.evaluate.loaded import LoadedRun
    from seqlab.models.model import SequenceModel

_MOMENT = {"step": pl.Int64, "epoch": pl.Float64, "tokens": pl.Int64}


def train(
    recipe: str | Path | AnyExperimentConfig,
    overrides: Sequence[str] | Mapping[str, Any] = (),
    *,
    device: str | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Run:
    """Train a model and keep its best checkpoint. An unfinished run continues, a finished one is loaded.

    Args:
        recipe: a shipped recipe's name, a TOML file, or a configuration.
        overrides: settings, each `key=value`, e.g. `["model.hidden_size=200", "training.epochs=3"]`, or as a
            dict, whose values may be classes and functions: `{"model": Net, "model.arguments.size": 12}`.
        device: where the model lives: cpu, cuda, mps; None is the CPU.
        threads: of the numerical libraries; None is as many as make its steps faster.
        quiet: print nothing; else a line for each validation.

    Raises:
        UserError: a key or value is wrong, or the settings and the data do not fit.
        WorkError: the loss diverged, or the disk is full.
    """
    from seqlab.training import run

    config, notes = _configure(recipe, overrides)
    callback = _Lines(quiet=quiet)
    for note in notes:
        callback.message(note)
    summary = run.train(config, device=device, threads=threads, callback=callback)
    return Run(run_folder.open_run(Path(summary["run"])))


def _configure(
    recipe: str | Path | AnyExperimentConfig, overrides: Sequence[str] | Mapping[str, Any]
) -> tuple[AnyExperimentConfig, list[str]]:
    """The experiment, and what the user should read about it."""
    settings = assignments(overrides)
    if isinstance(recipe, (str, Path)):
        return recipes.configure(str(recipe), settings)
    table, notes = plain(recipe), []
    for assignment in settings:
        table, note = override(type(recipe), table, assignment)
        notes += [note] if note else []
    return parse(type(recipe), table), notes


def check(
    what: str | Path | Callable[..., Any],
    overrides: Sequence[str] | Mapping[str, Any] = (),
    *,
    task: Literal["language-model", "classify"] | None = None,
    trust: bool = False,
) -> Checkup:
    """Look for silent bugs in a model, with the evidence.

    Args:
        what: a class of a module of one's own or its `FILE.py:NAME`, a recipe, or a run.
        overrides: settings of a recipe or module; see `train`.
        task: of a module; None is the one that its outputs fit.
        trust: whether code that a run folder holds may be executed, although it was not trained here.

    Raises:
        UserError: there is no such module, recipe or run, or it cannot be built.
    """
    from seqlab.evaluate.checkups import checkup

    subject = code_path(what) if callable(what) else str(what)
    return checkup(subject, assignments(overrides), task=task, trust=trust)


def load_run(run: str | Path, *, trust: bool = False) -> Run:
    """A run by its folder, its name, or an unambiguous beginning of its name.

    Args:
        run: its folder or name.
        trust: whether code of one's own that the folder holds may be executed, although it was not trained on
            this machine.

    Raises:
        UserError: no run has this name, or several do.
    """
    return Run(run_folder.find(str(run)), trust=trust)


class Run:
    """A run: its settings, its records, and its best model, loaded when first used."""

    def __init__(self, run: RunFolder, *, trust: bool = False):
        self._folder, self._trust = run, trust

    def __repr__(self) -> str:
        if not self._folder.finished:
            return f"{self.path.name}: unfinished"
        results = ", ".join(f"{name} {format_value(value)}" for name, value in self.metrics.items())
        return f"{self.path.name}: {results}"

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self._folder.path

    @property
    def metrics(self) -> dict[str, float]:
        """Final metrics of the best checkpoint on the validation split.

        Raises:
            UserError: the run is unfinished.
        """
        if not self._folder.finished:
            raise UserError(f"{self.path} must be finished to have results. `seqlab.train` continues it.")
        return self._folder.summary()["metrics"]

    @cached_property
    def config(self) -> AnyExperimentConfig:
        """Every setting."""
        from seqlab.evaluate.loaded import read_config

        return read_config(self._folder)

    @property
    def model(self) -> SequenceModel:
        """The model with the weights of the best checkpoint, in evaluation mode."""
        return self._loaded.model

    @property
    def records(self) -> pl.DataFrame:
        """Every number recorded: step, epoch, tokens, split, name, value, unit."""
        schema = {**_MOMENT, "split": pl.String, "name": pl.String, "value": pl.Float64, "unit": pl.String}
        rows = [
            (moment.step, moment.epoch, moment.tokens, record.split, record.name, record.value, record.unit)
            for record, moment in self._folder.records()
            if isinstance(record, Scalar)
        ]
        return pl.DataFrame(rows, schema=schema, orient="row")

    @property
    def samples(self) -> pl.DataFrame:
        """What the model wrote while training: step, epoch, tokens, name, prompt, text, complete."""
        rows = [
            (
                moment.step,
                moment.epoch,
                moment.tokens,
                record.name,
                record.prompt,
                record.text,
                record.complete,
            )
            for record, moment in self._folder.samples()
        ]
        schema = {
            **_MOMENT,
            "name": pl.String,
            "prompt": pl.String,
            "text": pl.String,
            "complete": pl.Boolean,
        }
        return pl.DataFrame(rows, schema=schema, orient="row")

    def predict(self, texts: str | Sequence[str]) -> pl.DataFrame:
        """The likeliest label of each text, and the probability of every label; or the number of each.

        Returns:
            Columns text, label, and `P(name)` for each label; or text and number.

        Raises:
            UserError: the model writes texts and labels none, or there is no text.
        """
        given = [texts] if isinstance(texts, str) else list(texts)
        answers = self._loaded.predict(given)
        from seqlab.evaluate.prediction import NUMBER

        if not self._loaded.labels:
            return pl.DataFrame({"text": given, NUMBER: [answer[NUMBER] for answer in answers]})
        return pl.DataFrame(
            {
                "text": given,
                "label": [max(probabilities, key=probabilities.__getitem__) for probabilities in answers],
                **{
                    f"P({label})": [probabilities[label] for probabilities in answers]
                    for label in self._loaded.labels
                },
            }
        )

    def predictions(self, split: str = "valid", *, texts: bool = True) -> pl.DataFrame:
        """What a classifier answers to each text of a split of the run's data, in the order of the data.

        Args:
            split: train, valid, test or another one of the data.
            texts: whether the texts are among the columns.

        Returns:
            Columns text, label, predicted, probability (of the predicted label), and correct.

        Raises:
            UserError: the run is not that of a classifier, there is no such split, or the data has changed.
        """
        from seqlab.evaluate.evaluation import predictions_of_run

        return pl.DataFrame(predictions_of_run(self._folder, split, texts=texts))

    def sample(
        self,
        prompt: str = "",
        *,
        count: int = 5,
        length: int = 100,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 1,
    ) -> pl.DataFrame:
        """Let a language model continue a prompt.

        Args:
            prompt: text to continue.
            count: texts to write.
            length: tokens a text may have.
            temperature: divides the logits; 0 always takes the most likely token.
            top_k: draw from the k most likely tokens only.
            top_p: draw from the most likely tokens that together hold this share of the probability.
            seed: source of the draws.

        Returns:
            Columns prompt, text, and complete: False where `length` cut the text short.

        Raises:
            UserError: the model does not generate, or a number is out of range.
        """
        from seqlab.decode.sampling import SamplingOptions

        options = SamplingOptions(temperature=temperature, top_k=top_k, top_p=top_p)
        texts = self._loaded.sample(prompt, count=count, length=length, options=options, seed=seed)
        rows = [(text.prompt, text.text, text.complete) for text in texts]
        schema = {"prompt": pl.String, "text": pl.String, "complete": pl.Boolean}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def chart(self, metric: str = "loss", *, over: str = "step") -> alt.LayerChart:
        """Learning curves of a metric; the chart shows itself where it is a notebook cell's last value.

        Args:
            metric: a name that `records` has for the validation or training split.
            over: step, epoch or seconds.

        Raises:
            UserError: nothing of that name was recorded, or not over that axis.
        """
        from seqlab.report.chapters import chapters
        from seqlab.report.charts.inline_chart import inline_chart
        from seqlab.report.charts.learning_curves import learning_figures
        from seqlab.report.run_data import read_run
        from seqlab.report.tables import words

        (chapter,) = chapters([read_run(self._folder)])
        figures = {figure.columns[-1].title: figure for figure in learning_figures(chapter)}
        if words(metric) not in figures:
            raise unknown("learning curve", metric, figures)
        figure = figures[words(metric)]
        if over not in figure.charts:
            raise unknown("axis", over, figure.charts)
        return inline_chart(figure, over)

    @cached_property
    def _loaded(self) -> LoadedRun:
        from seqlab.evaluate.loaded import load_run as load

        return load(self._folder, trust=self._trust)


class _Lines:
    """A callback for notebooks: a line for each validation, and nothing that moves."""

    def __init__(self, *, quiet: bool):
        self._quiet = quiet

    def step(self, progress: Progress, loss: float, total_epochs: float) -> None:
        """Say nothing."""

    def scored(self, done: int, total: int) -> None:
        """Say nothing."""

    def validated(self, progress: Progress, metrics: dict[str, float], best: bool) -> bool:
        """The metrics of one validation; never a reason to stop."""
        results = ", ".join(f"{name} {format_value(value)}" for name, value in metrics.items())
        epoch = round(progress.moment.epoch, 2)
        self.message(f"epoch {epoch:g}, step {progress.step:,}: {results}{' (best so far)' if best else ''}")
        return False

    def sampled(self, samples: Sequence[Text], valid: Counted | None) -> None:
        """The share of valid samples; the samples themselves are in the run."""
        if valid is not None:
            self.message(f"valid {valid.count:,} of {valid.total:,} samples")

    def message(self, text: str) -> None:
        """A sentence the user should know."""
        if not self._quiet:
            print(visible(text, keep="\n\t"))
