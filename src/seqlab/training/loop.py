"""The training loop: forward, loss, backward, clip, step, record."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

from seqlab.data.batch import Batch
from seqlab.data.prefetcher import Prefetcher
from seqlab.evaluate import diagnose as diagnosis
from seqlab.evaluate.card import numbers
from seqlab.evaluate.oracle_check import oracle_check
from seqlab.evaluate.sampled_texts import write_samples
from seqlab.evaluate.scoring import score, score_training
from seqlab.evaluate.weights import load_start, newest_checkpoint, reading
from seqlab.experiment import seeding
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.experiment.schedules import Clock
from seqlab.experiment.state_check import check_state
from seqlab.languages.judging import VALID
from seqlab.runs.journal import JournalMark
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import DivergedError
from seqlab.schema.records import Scalar
from seqlab.training import checkpoint
from seqlab.training.callback import Counted, RunCallback
from seqlab.training.diverged import diverged, first_not_finite, remedy, weight_not_finite
from seqlab.training.interrupt import Interrupted, StopRequest
from seqlab.training.kept_weights import KeptWeights
from seqlab.training.progress import Progress, RecordInterval
from seqlab.training.recorder import Recorder
from seqlab.training.step import NotFiniteError, Step, StepResult
from seqlab.training.tensorboard_events import TensorBoardEvents


class Loop:
    """Fits an experiment's model, from the start or from the newest checkpoint."""

    def __init__(
        self, experiment: NetworkExperiment, run: RunFolder, callback: RunCallback, stop_request: StopRequest
    ):
        self.experiment, self.run, self.callback, self.stop_request = experiment, run, callback, stop_request
        self.config = experiment.config.training
        self.schedule = self.config.schedule.build()
        self.training = checkpoint.Training.of(experiment)
        self._move, self._kept = Step(experiment), KeptWeights(experiment.model)
        self.check = oracle_check(experiment)
        self.progress = Progress.begin()
        self._carries = experiment.config.batching.running and experiment.model.capabilities.carries_state
        self.recorder = self._open()
        self.device = next(experiment.model.parameters()).device
        self._saved_at = self._timed_at = time.monotonic()
        self._steps_per_epoch = len(self._batches(epoch=self.config.curriculum))
        longest = math.inf if self.config.max_steps is None else self.config.max_steps / self._steps_per_epoch
        self._total_epochs = min(self.config.epochs, longest)

    def fit(self) -> Progress:
        """Train to the end.

        Raises:
            DivergedError: the loss diverged.
            WorkError: the disk is full.
            Interrupted: a stop was requested; everything is saved.
        """
        self.callback.message(_where(self.progress))
        while not self.progress.stopped and self.progress.epoch < self.config.epochs:
            self._epoch(self._batches(self.progress.epoch))
        return self.progress

    def _epoch(self, batches: Sequence[Batch]) -> None:
        self.experiment.model.train()
        self.experiment.layers.unfreeze(self.progress.epoch)
        self.progress.batches_in_epoch = len(batches)
        # The next epoch has another order, so its batches must not be read from this sequence.
        epoch = self.progress.epoch
        with Prefetcher(batches) as prepared:
            while self.progress.epoch == epoch and not self.progress.stopped:
                loss = self._step(prepared[self.progress.batch].to(self.device))
                self.callback.step(self.progress, loss, self._total_epochs)
                self._after_step(len(batches))

    def _step(self, batch: Batch) -> float:
        """One optimizer step; returns the mean loss in nats per target."""
        rate = self.config.optimizer.learning_rate * self.schedule.factor(self._clock())
        carried = self.training.carried
        try:
            outcome = self._move(batch, carried, rate)
        except NotFiniteError as what:
            first = first_not_finite(self.experiment.model, batch, carried)
            raise self._diverged(str(what), first) from None
        if self._carries and outcome.state is not None:
            self.training.carried = outcome.state.detach()
        self._count(batch, outcome)
        self.training.averaged.update(self.progress.step)
        return outcome.nats / outcome.targets

    def _count(self, batch: Batch, outcome: StepResult) -> None:
        progress, interval = self.progress, self.progress.interval
        progress.step += 1
        progress.batch += 1
        progress.tokens += (tokens := int(batch.inputs.lengths.sum()))
        interval.tokens += tokens
        interval.nats += outcome.nats
        interval.targets += outcome.targets
        interval.gradient_norms += outcome.norm
        interval.steps += 1

    def _after_step(self, batches: int) -> None:
        """Validate and save if due, and stop if requested."""
        progress, config = self.progress, self.config
        validate = _due(progress.batch, batches, config.validations_per_epoch)
        if progress.batch == batches:
            progress.epoch, progress.batch = progress.epoch + 1, 0
            self.training.carried = None
            if progress.epoch == config.epochs:
                progress.stopped = f"{config.epochs} of {config.epochs} epochs done"
        if config.max_steps is not None and progress.step >= config.max_steps:
            progress.stopped = f"{config.max_steps} steps done"
        if progress.step % config.record_every == 0 or progress.batch == 0 or progress.stopped:
            self._record()
        save = validate or progress.stopped or self.stop_request.stop or self._save_due()
        if save:
            self._check_weights()
        if validate or progress.stopped:
            with self.training.averaged.applied():
                self._validate()
        if save:
            self._save()
        if self.stop_request.stop:
            self.recorder.close()
            raise Interrupted(f"Saved at step {progress.step}. Continue with: seqlab resume {self.run.path}")

    def _validate(self) -> None:
        experiment, progress = self.experiment, self.progress
        if "valid" not in experiment.dataset.splits:
            return
        if experiment.rows is not None:
            experiment.rows.flush()
        try:
            streams = experiment.config.evaluation.streams
            records = score(
                experiment, "valid", experiment.task.metrics, streams=streams, progress=self.callback.scored
            )
        except DivergedError as error:
            message = f"Validation after step {progress.step}: {error} {remedy(self.config)}"
            raise DivergedError(message) from None
        self.recorder.record([*records, *score_training(experiment)], progress.moment)
        values = numbers(records)
        improved = self._observe(values[experiment.task.monitor.name])
        samples = write_samples(experiment, "sample", progress.step)
        self.recorder.record(samples, progress.moment)
        compared = [] if self.check is None else self.check.validation(progress.step)
        self.recorder.record(compared, progress.moment)
        if diagnosis.due(experiment, progress.validations):
            self.recorder.record(diagnosis.with_validation(experiment), progress.moment)
        if self.callback.validated(progress, values, improved):
            self.stop_request.stop = True
        if samples and experiment.task.output == "text":
            self.callback.sampled(samples, self._valid(numbers(compared)))

    def _observe(self, value: float) -> bool:
        """Count a validation with this value of the monitor; returns whether it is the best one so far."""
        progress, patience, monitor = self.progress, self.config.patience, self.experiment.task.monitor
        averaged, keep = self.training.averaged, self.config.result == "best"
        improved = monitor.improves(value, progress.best_value)
        self.schedule.observe(improved)
        progress.observe(value, improved=improved, counts=not averaged.waiting, keep=keep)
        if averaged.observe(progress.step, monitor.gain(value)):
            self.callback.message(f"Weights are averaged from step {progress.step:,} on.")
        if patience is not None and progress.validations_without_gain >= patience:
            progress.stopped = f"no improvement in {patience} validations"
        return improved

    def _valid(self, compared: Mapping[str, float]) -> Counted | None:
        """How many of the samples that are compared with the true distribution are valid."""
        checked = self.experiment.config.samples.checked
        return Counted(round(compared[VALID] * checked), checked) if VALID in compared else None

    def _record(self) -> None:
        """The training loss since the last record; each epoch's last record ends with the epoch."""
        rate = self.experiment.optimizer.param_groups[0]["lr"]
        interval, unit = self.progress.interval, self.experiment.task.unit
        train = [
            Scalar(
                name="loss", value=interval.nats / interval.targets, unit=f"nats per {unit}", split="train"
            ),
            Scalar(
                name="gradient_norm",
                value=interval.gradient_norms / interval.steps,
                unit="norm before clipping, mean over steps",
                split="train",
            ),
            Scalar(name="learning_rate", value=rate, unit="per step", split="train"),
        ]
        self.recorder.record(train, self.progress.moment)
        self._tick(interval.tokens)
        self.progress.interval = RecordInterval.begin()

    def _tick(self, tokens: int = 0) -> None:
        now = time.monotonic()
        passed, self._timed_at = now - self._timed_at, now
        self.progress.seconds += passed
        if tokens:
            self.recorder.timing(
                self.progress.moment,
                seconds=self.progress.seconds,
                tokens_per_second=tokens / max(passed, 1e-9),
            )

    def _save_due(self) -> bool:
        return time.monotonic() - self._saved_at >= self.config.checkpoint_seconds

    def _save(self) -> None:
        self._tick()
        marks = self.recorder.sync()
        checkpoint.save(self.run, self.progress, self.training, self.schedule.state(), marks)
        self._saved_at = time.monotonic()

    def _open(self) -> Recorder:
        """Load the newest checkpoint; without one, start the journals from the beginning."""
        marks: Mapping[str, JournalMark] = {}
        newest = newest_checkpoint(self.run)
        if newest is None:
            load_start(self.run, self.experiment.model)
            self.training.averaged.begin()
        else:
            saved = checkpoint.load(self.run, newest, self.training)
            self.progress, marks = saved.progress, saved.marks
            with reading(newest):
                self.schedule.restore(saved.schedule)
                self._check_next_batch()
        recorder = Recorder(self.run, marks)
        if self.config.tensorboard:
            recorder.add_events(
                TensorBoardEvents(self.run.tensorboard, self.progress.step, self.callback.message)
            )
        return recorder

    def _check_next_batch(self) -> None:
        """Make sure that a checkpoint's next batch is one of the data, and continues its state.

        Raises:
            ValueError: it is not.
        """
        progress, carried = self.progress, self.training.carried
        if (carried is not None) != (self._carries and progress.batch > 0):
            raise ValueError("there must be a carried state within an epoch of running text, and only there.")
        if not progress.batch:
            return
        batches = self._batches(progress.epoch)
        if len(batches) != progress.batches_in_epoch:
            raise ValueError(f"'batches_in_epoch' must be {len(batches)}. Got {progress.batches_in_epoch}.")
        if carried is not None:
            rows = len(batches[progress.batch].inputs.lengths)
            check_state(self.experiment.model.start(rows).tensors, carried.tensors, "carried")

    def _batches(self, epoch: int) -> Sequence[Batch]:
        config = self.experiment.config
        order = seeding.derive(config.seed, "order", epoch)
        return self.experiment.task.batches(self.experiment.training_split(epoch), config.batching, order)

    def _clock(self) -> Clock:
        """The clock of the schedule; epochs may differ in their number of batches, so steps are scaled."""
        per_epoch, progress = self._steps_per_epoch, self.progress
        total = self.config.epochs * per_epoch
        step = progress.epoch * per_epoch + progress.batch * per_epoch // progress.batches_in_epoch
        if self.config.max_steps is not None:
            total = min(total, self.config.max_steps)
        return Clock(
            step=min(step, total), epoch=progress.epoch, steps_per_epoch=per_epoch, total_steps=total
        )

    def _check_weights(self) -> None:
        """A checkpoint holds every weight that there was at the start, and none that is not finite."""
        self._kept.check()
        name = weight_not_finite(self.experiment.model.named_parameters())
        name = name or self.training.averaged.not_finite()
        if name is not None:
            raise self._diverged("weights are no longer finite", name)

    def _diverged(self, what: str, first: str) -> Exception:
        moment = f"step {self.progress.step + 1} (epoch {self.progress.epoch + 1})"
        return diverged(what, first=first, moment=moment, remedy=remedy(self.config))


def _due(done: int, batches: int, times: int) -> bool:
    """Whether one of `times` evenly spread moments of an epoch falls exactly after `done` batches."""
    # Moment k is after batches * k / times, rounded up.
    return done * times // batches > (done - 1) * times // batches


def _where(progress: Progress) -> str:
    if progress.stopped:
        return f"Training is done: {progress.stopped}."
    return f"Continuing after step {progress.step}." if progress.step else "Starting."
