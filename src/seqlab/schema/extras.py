"""Packages that an installation may lack, because only some of seqlab needs them."""

from __future__ import annotations

from importlib.util import find_spec

from seqlab.schema.errors import UserError

EXTRAS = {
    "nb-svm": "scikit-learn",
    "explain": "captum",
    "search": "optuna",
    "subwords": "tokenizers",
    "tensorboard": "tensorboard",
}
"""The extras that seqlab imports, as in `pip install '.[search]'`, and the package of each."""
_MODULES = {"scikit-learn": "sklearn"}
"""Names of modules that differ from their package's."""


def is_installed(extra: str) -> bool:
    """Whether the package of an extra is installed."""
    package = EXTRAS[extra]
    try:
        return find_spec(_MODULES.get(package, package)) is not None
    except ValueError:  # of a module whose import was forbidden in this process
        return False


def require(extra: str, what: str) -> None:
    """Check, before its package is imported, that an extra is installed.

    Args:
        extra: key of `EXTRAS`.
        what: what needs it, the beginning of the sentence.

    Raises:
        UserError: the package is not installed.
    """
    if not is_installed(extra):
        package = EXTRAS[extra]
        raise UserError(
            f"{what} needs the package {package!r}, which is not installed. Nearest: pip install {package}."
        )
