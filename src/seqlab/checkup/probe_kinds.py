"""Registry of the probes: each is a function of a `Subject` that returns a `Finding`.

A probe raises NotApplicableError where it has no meaning for a subject, by its traits, and NotExaminedError
where it cannot decide.
"""

from __future__ import annotations

from seqlab.schema.registry import Registry

_ROWS, _TIME, _PADDING = (
    "seqlab.checkup.row_probes",
    "seqlab.checkup.time_probes",
    "seqlab.checkup.padding_probes",
)
_INPUTS, _OUTPUTS, _LOSS = (
    "seqlab.checkup.input_probes",
    "seqlab.checkup.output_probes",
    "seqlab.checkup.loss_probes",
)
_GRADIENTS, _WEIGHTS = "seqlab.checkup.gradient_probes", "seqlab.checkup.weight_probes"
_MODES = "seqlab.checkup.mode_probes"
_LEARNING = "seqlab.checkup.learning_probes"

PROBES = Registry(
    "probe",
    {
        "batch_independence": (f"{_ROWS}:batch_independence", "rows of a batch do not influence each other"),
        "axes_in_order": (f"{_ROWS}:axes_in_order", "no view or reshape moves rows or steps"),
        "any_size": (f"{_ROWS}:any_size", "batches of every number of rows and steps are read"),
        "no_look_ahead": (
            f"{_TIME}:no_look_ahead",
            "later steps never change earlier outputs (causal models)",
        ),
        "whole_equals_steps": (
            f"{_TIME}:whole_equals_steps",
            "a whole sequence equals step by step, from any state (causal models)",
        ),
        "padding_changes_nothing": (
            f"{_PADDING}:padding_ignored",
            "neither the content nor the amount of padding changes an output or a state",
        ),
        "padding_row_untrained": (f"{_PADDING}:padding_row_untrained", "vectors of padding get no gradient"),
        "every_input_used": (f"{_INPUTS}:every_input_used", "every step and feature acts on an output"),
        "memory_of_earlier_steps": (f"{_INPUTS}:memory_of_earlier_steps", "outputs depend on earlier steps"),
        "order_matters": (f"{_INPUTS}:order_matters", "another order of steps changes outputs"),
        "ids_are_names": (f"{_INPUTS}:ids_are_names", "token ids are looked up, not computed with"),
        "source_used": (
            "seqlab.checkup.source_probes:source_used",
            "every step of the source acts (encoder-decoders)",
        ),
        "initial_state_used": (
            "seqlab.checkup.source_probes:initial_state_used",
            "the initial state acts on outputs",
        ),
        "outputs_alive": (f"{_OUTPUTS}:outputs_alive", "outputs vary, are finite and cut off at no side"),
        "loss_gets_logits": (
            f"{_OUTPUTS}:loss_gets_logits",
            "no softmax or sigmoid is applied twice or left out",
        ),
        "repeatable": (f"{_MODES}:repeatable", "two evaluations of the same input agree"),
        "training_equals_evaluation": (
            f"{_MODES}:training_equals_evaluation",
            "without dropout, training and evaluation run the same path",
        ),
        "loss_skips_padding": (f"{_LOSS}:loss_skips_padding", "the loss counts no padding"),
        "loss_averages": (f"{_LOSS}:loss_averages", "the loss is a mean over real targets"),
        "targets_are_next": (f"{_LOSS}:targets_are_next", "targets are shifted by one step, once"),
        "gradients_reach_parameters": (
            f"{_GRADIENTS}:gradients_reach_parameters",
            "every parameter has a finite gradient that is not all zero",
        ),
        "every_parameter_registered": (
            f"{_GRADIENTS}:every_parameter_registered",
            "no layer is hidden in a plain list",
        ),
        "gradients_through_time": (
            "seqlab.checkup.horizon_probes:gradients_through_time",
            "gradients through time are finite, not cut and do not explode",
        ),
        "settings_used": (
            "seqlab.checkup.setting_probes:settings_used",
            "every argument of a constructor acts, and every dropout is called",
        ),
        "tied_weights_stay": (f"{_WEIGHTS}:tied_weights_stay", "tied weights stay tied when they are loaded"),
        "saved_equals_loaded": (
            f"{_WEIGHTS}:saved_equals_loaded",
            "the state dict holds everything that acts",
        ),
        "initial_loss": (f"{_LEARNING}:initial_loss", "new weights have a loss of about log(classes)"),
        "one_batch_overfitted": (
            f"{_LEARNING}:one_batch_overfitted",
            "a few hundred training steps on one tiny batch memorise it",
        ),
    },
)

_DATA = "seqlab.checkup.data_probes"

DATA_PROBES = Registry(
    "probe",
    {
        "examples_kept": (f"{_DATA}:examples_kept", "every example of a split is in a batch"),
        "splits_disjoint": (f"{_DATA}:splits_disjoint", "no sequence is in two splits"),
        "labels_aligned": (f"{_DATA}:labels_aligned", "every row has the label of its example"),
        "end_kept": (f"{_DATA}:end_kept", "every row holds the token that ends a sequence"),
        "padding_after_end": (f"{_DATA}:padding_after_end", "padding is at the ends of rows alone"),
        "lengths_right": (
            f"{_DATA}:lengths_right",
            "lengths and masks count the tokens that are not padding",
        ),
        "padding_id_unique": (f"{_DATA}:padding_id_unique", "no real token has the id of padding"),
        "order_shuffled": (f"{_DATA}:order_shuffled", "the training split is shuffled in each pass"),
    },
)
