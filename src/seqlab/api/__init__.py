"""seqlab in Python and in notebooks: the same as on the command line, as functions and polars frames."""

from seqlab.api.check_functions import assert_healthy, check, check_data
from seqlab.api.run_functions import chart, compare, list_runs, load_run, load_study
from seqlab.api.run_result import Run
from seqlab.api.study_results import StudyResult
from seqlab.api.train_functions import ensemble, study, train

__all__ = [
    "Run",
    "StudyResult",
    "assert_healthy",
    "chart",
    "check",
    "check_data",
    "compare",
    "ensemble",
    "list_runs",
    "load_run",
    "load_study",
    "study",
    "train",
]
