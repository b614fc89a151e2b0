"""`docs/reference/settings.md`: the settings of every process, and the few variables beside them."""

from __future__ import annotations

from types import NoneType
from typing import Any, Final, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ops.reference.markdown import listed, page, table
from streams.settings import Settings

_INTRODUCTION = """
Settings are environment variables, the same for the command line, for workers, in `docker-compose.yml` and anywhere
else. A value that is not allowed ends the process with a message that names the variable. Units are in the names.
"""

#: Variables that are read beside `Settings`: where, default, meaning.
OTHERS: Final[dict[str, tuple[str, str]]] = {
    "WALLETSTREAM_JAVA": (
        "the machine's, else the packaged one",
        "The `java` executable of the embedded broker, 17 or newer.",
    ),
    "WALLETSTREAM_CACHE_DIR": ("`~/.cache/walletstream`", "Where the embedded broker's jars are kept."),
    "WALLETSTREAM_MAVEN_MIRROR": (
        "Maven Central",
        "Maven repository that the embedded broker's jars are fetched from.",
    ),
    "WALLETSTREAM_STATEMENT_SAMPLES": (
        "`shared/data/statements` beside the checkout",
        "Folder with statements of real banks for the tests.",
    ),
    "WALLETSTREAM_AMLSIM_DIR": (
        "`shared/data/amlsim` beside the checkout",
        "Folder with AMLSim's `nodes` and `transactions` (`.csv` or `.csv.gz`), read by `demo` without `--data` or "
        "`--fast`, by `make amlsim` and by the tests; where there is none a set of the same shape is generated.",
    ),
    "WALLETSTREAM_TEST_BOOTSTRAP_SERVERS": ("none", "A Kafka cluster that the tests use instead of starting one."),
    "WALLETSTREAM_HYPOTHESIS": ("`quick`", "`thorough` lets the random tests of the ledger run for minutes."),
    "WALLETSTREAM_SEED": ("drawn anew", "Seed of the random tests of the ledger, which a failing one prints."),
}

_KINDS: Final = {
    str(int): "integer",
    str(float): "number",
    str(str): "text",
    str(bool): "`true` or `false`",
    str(SecretStr): "text, secret",
}
_BOUNDS: Final = (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"))


def settings_page() -> str:
    """The page."""
    prefix = Settings.model_config["env_prefix"]
    ours = table(
        ("variable", "default", "allowed", "meaning"),
        [
            (f"`{prefix}{name.upper()}`", _default(field), _allowed(field), field.description or "")
            for name, field in Settings.model_fields.items()
        ],
    )
    others = table(
        ("variable", "default", "meaning"),
        [(f"`{name}`", default, meaning) for name, (default, meaning) in OTHERS.items()],
    )
    return page(
        "Settings",
        "`streams/settings.py` and `streams/connection_settings.py`",
        _INTRODUCTION,
        ours,
        "## Beside them",
        "Read by single commands.",
        others,
    )


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "the host name"
    if field.default is PydanticUndefined:
        return "none: must be given"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return "none" if field.default in (None, "") else f"`{field.default}`"


def _allowed(field: FieldInfo) -> str:
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    annotation = kinds[0] if len(kinds) == 1 else field.annotation
    choices: tuple[Any, ...] = getattr(annotation, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return listed(choices)
    said = [f"{word} {limit:,}" for name, word in _BOUNDS if (limit := _constraint(field, name)) is not None]
    pattern = _constraint(field, "pattern")
    if pattern is not None:
        said.append(f"matches `{pattern}`")
    return ", ".join([_KINDS.get(str(annotation), "path"), *said])


def _constraint(field: FieldInfo, name: str) -> Any:
    found = [getattr(one, name) for one in field.metadata if getattr(one, name, None) is not None]
    return found[0] if found else None
