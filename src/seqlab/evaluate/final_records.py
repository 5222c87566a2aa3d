"""Records of the exact evaluation at the end of a run."""

from __future__ import annotations

import dataclasses

from seqlab.schema.records import Record, Scalar


def final(record: Record) -> Record:
    """A record of the exact evaluation at the end; those before may have used several streams."""
    if isinstance(record, Scalar):
        return dataclasses.replace(record, name=f"final_{record.name}")
    return record
