"""The registries of metrics and diagnostics, by key."""

from __future__ import annotations

from seqlab.schema.registry import Registry

METRICS = Registry(
    "metric",
    {
        "loss": ("seqlab.measure.metrics:Loss", "mean cross-entropy, nats per token or text"),
        "perplexity": ("seqlab.measure.metrics:Perplexity", "exp of the mean nats"),
        "bits_per_token": ("seqlab.measure.metrics:BitsPerToken", "mean cross-entropy in bits"),
        "bits_per_character": (
            "seqlab.measure.metrics:BitsPerCharacter",
            "mean cross-entropy in bits where tokens are characters",
        ),
        "accuracy": (
            "seqlab.measure.metrics:Accuracy",
            "fraction of targets with the largest logit, or within 0.04",
        ),
        "mse": ("seqlab.measure.metrics:MeanSquaredError", "mean squared error of predicted numbers"),
        "macro_f1": ("seqlab.measure.classes:MacroF1", "mean over classes of the F1 of each"),
        "macro_precision": (
            "seqlab.measure.classes:MacroPrecision",
            "mean over classes of the precision of each",
        ),
        "macro_recall": ("seqlab.measure.classes:MacroRecall", "mean over classes of the recall of each"),
        "label_scores": ("seqlab.measure.classes:LabelScores", "precision, recall and F1 of each class"),
        "brier": ("seqlab.measure.calibration:Brier", "squared error of the probabilities, from 0 to 2"),
        "calibration": (
            "seqlab.measure.calibration:Calibration",
            "expected calibration error and reliability curve, 15 bins",
        ),
        "abstention": (
            "seqlab.measure.calibration:Abstention",
            "share and accuracy of predictions above each probability",
        ),
        "accuracy_by_length": (
            "seqlab.measure.text_lengths:AccuracyByLength",
            "accuracy of texts of similar length, with its interval",
        ),
        "auc": (
            "seqlab.measure.classes:Auc",
            "area under the ROC curve; several classes: mean of each one's",
        ),
        "confusion_matrix": ("seqlab.measure.classes:Confusion", "targets by what was predicted for them"),
        "loss_per_position": (
            "seqlab.measure.positions:LossPerPosition",
            "mean nats at each position of a window, with its standard error",
        ),
    },
    listed="metrics",
    own="seqlab.measure.own_metric:metric_class",
)
DIAGNOSTICS = Registry(
    "diagnostic",
    {
        "loss-per-position": (
            "seqlab.measure.positions:diagnose",
            "mean loss at each position of a text or window that begins with a zero state, with its error",
        ),
        "gradient-through-time": (
            "seqlab.measure.gradients:diagnose",
            "norm of the last loss's gradient with respect to earlier states, and where it falls under 1 %",
        ),
        "free-running": (
            "seqlab.measure.free_running:diagnose",
            "loss at each position after tokens that the model has drawn, beside the teacher-forced one",
        ),
        "saturation": (
            "seqlab.measure.saturation:diagnose",
            "share of gates near 0 and near 1, of tanh states near -1 and near 1, by layer",
        ),
    },
    listed="diagnostics",
)
