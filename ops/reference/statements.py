"""`docs/reference/statements.md`: references, refusals and the fields of a mapping."""

from __future__ import annotations

from typing import Final

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from agents.statements.mapping import StatementMapping
from ops.reference.markdown import page, table
from schemas.external_statements import REFERENCES, REFUSALS

_INTRODUCTION: Final = """
What `walletstream reconcile import` reads and refuses. [Importing statements](../operating/statements.md) says how it
is used; the records are in [topics](topics.md#external-statements), with a JSON Schema and an example of each.
"""
_REFERENCES: Final = """
## References

The names that references of a line have, whatever the file calls them.
"""
_REFUSALS: Final = """
## Refusals

Why a file was refused: `reason` of a record `refused`, and what the command prints. A file is refused whole.
"""
_MAPPING: Final = """
## Mapping

Fields of the JSON object that `--mapping` names. A column is its name in the header; in JSON a path such as
`amount.value`.
"""
_PARTS: Final = """
A constant is `{"const": VALUE}`; marks are `{"column": COLUMN, "credit": [..], "debit": [..]}`, values
`{"column": COLUMN, "values": [..]}`, each with texts exactly as they are written.
"""


def statements_page() -> str:
    """The page."""
    references = table(("reference", "is"), [(f"`{name}`", said) for name, said in REFERENCES.items()])
    refusals = table(("reason", "means"), [(f"`{reason}`", said) for reason, said in REFUSALS.items()])
    rows = [
        (f"`{name}`", _default(field), (field.description or "").replace("|", "\\|"))
        for name, field in StatementMapping.model_fields.items()
    ]
    mapping = table(("field", "default", "says"), rows)
    source = "`schemas/external_statements.py` and `agents/statements/mapping.py`"
    return page(
        "External statements",
        source,
        _INTRODUCTION,
        _REFERENCES,
        references,
        _REFUSALS,
        refusals,
        _MAPPING,
        mapping,
        _PARTS,
    )


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None or field.default is None or field.default == "":
        return "none"
    return "required" if field.default is PydanticUndefined else f"`{field.default}`"
