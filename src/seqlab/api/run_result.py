"""A run in Python: its settings, its records, its model, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.runs.cards import Card
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.config import plain
from seqlab.schema.errors import UserError
from seqlab.schema.records import Scalar
from seqlab.stats.formatting import format_value

if TYPE_CHECKING:
    import altair as alt

    from seqlab.api.explained_texts import ExplainedTexts
    from seqlab.evaluate.loaded import LoadedRun
    from seqlab.evaluate.text_predictor import TextPredictor
    from seqlab.models.model import SequenceModel

Item = TypeVar("Item")
_MOMENT = {"step": pl.Int64, "epoch": pl.Float64, "tokens": pl.Int64}


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
    def folder(self) -> RunFolder:
        """The run's folder, whose every file can be read."""
        return self._folder

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
    def settings(self) -> dict[str, Any]:
        """Every setting as a nested dict, which `seqlab.train` takes."""
        return plain(self.config)

    @property
    def model(self) -> SequenceModel:
        """The model with the weights of the best checkpoint, in evaluation mode.

        Raises:
            UserError: the run is an ensemble, which has several.
        """
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

    @property
    def generated(self) -> pl.DataFrame:
        """Texts of a language model at the end: length (tokens at most), text, complete, tokens, loss, mark.

        loss: the model's own mean loss of the text, nats per token. mark: whether this is one of the lowest
        ("best") or of the highest ("worst"). Without rows where the run wrote nothing.
        """
        card = self._folder.generation_card()
        schema = {
            "length": pl.Int64,
            "text": pl.String,
            "complete": pl.Boolean,
            "tokens": pl.Int64,
            "loss": pl.Float64,
            "mark": pl.String,
        }
        rows = [] if card is None else [[text[name] for name in schema] for text in card["texts"]]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def predict(self, texts: str | Sequence[str | float | None]) -> pl.DataFrame:
        """The likeliest label of each text, and the probability of every label; or the number of each.

        Args:
            texts: one or several, such as a column of a frame. One without any character but spaces, None or
                NaN keeps its row, whose answer is null.

        Returns:
            Columns text, label, and `P(name)` for each label; or text and number.

        Raises:
            UserError: the model writes texts and labels none, or there is no text.
        """
        from seqlab.data.sources.missing_texts import given_texts
        from seqlab.data.sources.text_rows import TextRows
        from seqlab.evaluate.prediction import NUMBER

        given = _several(texts)
        rows = TextRows(0, range(len(given)), given_texts(given), {})
        answers, labels = rows.aligned(self._predictor.predict(rows.present)), self._predictor.labels
        columns = {f"P({label})": label for label in labels} if labels else {NUMBER: NUMBER}
        best = [answer and max(answer, key=answer.__getitem__) for answer in answers]
        return pl.DataFrame(
            [
                pl.Series("text", [text if isinstance(text, str) else None for text in given], pl.String),
                *([pl.Series("label", best, pl.String)] if labels else []),
                *(
                    pl.Series(name, [answer and answer[key] for answer in answers], pl.Float64)
                    for name, key in columns.items()
                ),
            ]
        )

    def explain(
        self,
        texts: str | Sequence[str | float | None],
        *,
        method: str | None = None,
        label: str | None = None,
        steps: int | None = None,
    ) -> ExplainedTexts:
        """What each word of texts adds to the answer; it shows itself as the last value of a notebook cell.

        Of a language model the surprisal of each token, -log2 of its probability, in bits.

        Args:
            texts: one or several. One without any character but spaces, None or NaN has no answer.
            method: weights, integrated-gradients or occlusion; None: the first one that suits the model.
            label: whose effects are computed; None: the likeliest one of each text.
            steps: of integrated gradients, at first; None: 32.

        Raises:
            UserError: the model has no such label, the method does not suit it, or there is no text.
        """
        from seqlab.api.explained_texts import explained_texts

        return explained_texts(self._predictor, _several(texts), method=method, label=label, steps=steps)

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

        return pl.DataFrame(predictions_of_run(self._folder, split, texts=texts, trust=self._trust))

    def sample(
        self,
        prompt: str = "",
        *,
        random_token: bool = False,
        count: int = 5,
        length: int = 100,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 1,
    ) -> pl.DataFrame:
        """Let a language model continue a prompt.

        Args:
            prompt: text to continue; "": the start of a text.
            random_token: whether each text continues a random token of its own, in place of a prompt.
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
        texts = self._loaded.sample(
            prompt, count=count, length=length, options=options, seed=seed, random_token=random_token
        )
        rows = [(text.prompt, text.text, text.complete) for text in texts]
        schema = {"prompt": pl.String, "text": pl.String, "complete": pl.Boolean}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def evaluate(
        self,
        split: str = "valid",
        metrics: str | Sequence[str] = (),
        *,
        calibrate: bool = False,
        dynamic: bool | Mapping[str, Any] = False,
        cache: bool | Mapping[str, Any] = False,
        tune: bool = False,
        device: str = "cpu",
    ) -> Card:
        """Score the best checkpoint on every target of a split, once; keep the result in the run's folder.

        Of a classifier, without `metrics`, also what says how far to trust it.

        Args:
            split: train, valid, test or another one of the data. Use test once, at the end.
            metrics: a name or several (`seqlab list metrics`); (): those of the task.
            calibrate: whether to fit the temperature that divides a classifier's logits, on validation.
            dynamic: whether to learn from each part of a running text after it was scored, or the settings of
                `seqlab.evaluate.adaptation.DynamicConfig` that are not the default ones.
            cache: whether to expect words again that followed similar features, or settings of
                `seqlab.evaluate.adaptation.CacheConfig`. The run's weights stay as they are, and the result
                is kept in a card of its own.
            tune: whether to search for better settings of both on the validation split first.
            device: cpu, cuda or mps.

        Returns:
            The card: "metrics" by name, "loss_unit", "sequences", "tokens", curves and matrices, each with
            its unit; the same as `seqlab evaluate --json`.

        Raises:
            UserError: there is no such split or metric, or the data has changed.
            WorkError: another process works in the run's folder.
        """
        from seqlab.evaluate.adaptation import adaptation_of
        from seqlab.evaluate.evaluation import evaluate_run
        from seqlab.evaluate.inspection import DEFAULT_ERRORS, Inspection

        inspection = Inspection(DEFAULT_ERRORS, calibrate) if calibrate or not metrics else None
        return evaluate_run(
            self._folder,
            split,
            _several(metrics),
            inspection=inspection,
            adaptation=adaptation_of({"dynamic": dynamic, "cache": cache}, tune=tune),
            tune=tune,
            device=device,
            trust=self._trust,
        )

    def diagnose(
        self,
        diagnostics: str | Sequence[str] = (),
        *,
        split: str = "valid",
        rows: int | None = None,
        device: str = "cpu",
    ) -> dict[str, Any]:
        """Diagnose the best checkpoint: loss by position, gradient through time, saturation.

        What is measured is kept in the run's folder, where `seqlab.chart` and reports find it.

        Args:
            diagnostics: a name or several (`seqlab list diagnostics`); (): all that fit the model.
            split: train, valid or test.
            rows: texts, or parts of a running text, for the gradient and saturation; None: as many as the
                run's settings say.
            device: cpu, cuda or mps.

        Returns:
            By diagnostic under "diagnostics": what was "found", in sentences, and its "records"; the same as
            `seqlab diagnose --json`.

        Raises:
            UserError: there is no such diagnostic or split, or nothing to diagnose.
            WorkError: another process works in the run's folder.
        """
        from seqlab.evaluate.evaluation import diagnose_run

        return diagnose_run(
            self._folder, _several(diagnostics), split=split, rows=rows, device=device, trust=self._trust
        )

    def chart(self, *names: str, over: str = "step") -> alt.LayerChart | alt.VConcatChart:
        """Curves of recorded numbers; they show themselves where they are a notebook cell's last value.

        Args:
            names: any that `records` has; none: the loss.
            over: step, epoch or seconds.

        Raises:
            UserError: nothing of that name was recorded, or not over that axis.
        """
        from seqlab.report.charts.inline_chart import run_charts

        return run_charts([self._folder], names, over)

    @cached_property
    def _loaded(self) -> LoadedRun:
        from seqlab.evaluate.loaded import load_run as load

        return load(self._folder, trust=self._trust)

    @cached_property
    def _predictor(self) -> TextPredictor:
        from seqlab.evaluate.loaded_ensemble import load_predictor

        return load_predictor(self._folder, trust=self._trust)


def _several(given: str | Sequence[Item]) -> Sequence[str | Item]:
    return [given] if isinstance(given, str) else list(given)
