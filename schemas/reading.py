"""Reads commands: msgspec structs made from the contracts of `schemas.commands`, in half the time that pydantic takes.

The contracts say what is accepted. A struct made from one is no laxer: whatever msgspec does not take is read again by
pydantic, which says why or, where only the reading differs, accepts it. A constraint that this module does not know is
an error when it is imported, so that no contract can get one that only pydantic checks.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Final, Literal, Union, cast, get_args, get_origin

import msgspec
from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo

from schemas.canonical import canonical_json
from schemas.commands import CONTRACTS, REQUESTS
from schemas.contract import Command
from schemas.money import INT64_MAX, INT64_MIN

#: Makes a value that was read what is kept of it.
_Convert = Callable[[Any], Any]

_encode: Final = msgspec.json.Encoder().encode


class ReadCommand(msgspec.Struct, gc=False, kw_only=True):
    """A command as it is read. Its class has the fields of its contract, by which code that knows it is typed."""

    #: Of the class, as all that is annotated so.
    operation: ClassVar[str]
    #: None where the operation has none.
    amount_minor: ClassVar[int | None] = None
    asset: ClassVar[str | None] = None
    execute_at: ClassVar[str | None] = None
    #: The transaction that it acts on.
    transaction_id: ClassVar[str | None] = None
    #: Has parts that are structs, or objects whose names are in any order.
    is_nested: ClassVar[bool] = False
    #: Names of its integers, beside the amount, that no contract keeps within int64.
    wide: ClassVar[tuple[str, ...]] = ()
    #: Takes the values that the fingerprint covers, in canonical order, and what they are encoded as.
    canonical_values: ClassVar[Any]
    canonical_form: ClassVar[Any]

    idempotency_key: str
    wallet_id: str
    sub_wallet: str = "main"
    request_id: str | None = None
    occurred_at: str | None = None
    partner_id: str | None = None
    metadata: dict[str, str] | None = None
    references: msgspec.Struct | None = None
    device: msgspec.Struct | None = None

    def canonical(self) -> bytes:
        """The canonical form, as `schemas.canonical.canonical_json` has it: what the fingerprint is the hash of."""
        form = self.canonical_form(*self.canonical_values(self))
        if self.is_nested:
            return canonical_json(_full(form))
        amount_minor = self.amount_minor
        if (
            self.metadata is None
            and (amount_minor is None or INT64_MIN <= amount_minor <= INT64_MAX)
            and (not self.wide or all(INT64_MIN <= (getattr(self, name) or 0) <= INT64_MAX for name in self.wide))
        ):
            return _encode(form)
        return canonical_json(msgspec.to_builtins(form))


def _full(value: Any) -> Any:
    """A part of a command as JSON has it, with defaults, without what is absent."""
    if isinstance(value, msgspec.Struct):
        fields = {name: _full(part) for name in value.__struct_fields__ if (part := getattr(value, name)) is not None}
        tag = value.__struct_config__.tag
        return fields if tag is None else {"operation": tag, **fields}
    if isinstance(value, dict):
        return {name: _full(part) for name, part in value.items()}
    return [_full(part) for part in value] if isinstance(value, list) else value


def _is_wide(plain: Any) -> bool:
    """True where a field, as msgspec understands it, is an integer without a largest one."""
    origin, parts = get_origin(plain), get_args(plain)
    if origin is Annotated:
        return _is_wide(parts[0]) and all(meta.le is None for meta in parts[1:])
    return any(map(_is_wide, parts)) if origin is Union else plain is int


def _is_nested(annotation: Any) -> bool:
    """True where a field is a list or an object of models."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _is_nested(parts[0])
    return origin in (list, dict) and any(_has_model(part) for part in parts)


def _has_model(annotation: Any) -> bool:
    if isinstance(annotation, type):
        return issubclass(annotation, BaseModel)
    return any(_has_model(part) for part in get_args(annotation))


def _struct(model: type[BaseModel], converts: dict[str, _Convert]) -> type[msgspec.Struct]:
    """The struct that takes what a model takes. `converts` is told of fields that are converted after reading."""
    fields: list[Any] = []
    tag = None
    # By name, so that nested ones are in canonical order.
    for name, field in sorted(model.model_fields.items()):
        if name == "operation" and get_origin(field.annotation) is Literal:
            (tag,) = get_args(field.annotation)
            continue
        type_ = _plain(field.rebuild_annotation(), name, converts)
        fields.append((name, type_) if field.is_required() else (name, type_, field.default))
    namespace: dict[str, Any] = {}
    if issubclass(model, Command):
        wide = [name for name, plain, *_ in fields if name in model.canonical_names and _is_wide(plain)]
        names = model.canonical_names
        form = msgspec.defstruct("Form", [(name, object, None) for name in names], omit_defaults=True, gc=False)
        is_nested = any(_is_nested(field.annotation) for field in model.model_fields.values())
        namespace = {
            "is_nested": is_nested,
            "operation": tag,
            "wide": tuple(name for name in wide if name != "amount_minor"),
            "canonical_form": form,
            "canonical_values": attrgetter(*names),
        }
    return msgspec.defstruct(
        model.__name__,
        fields,
        bases=(ReadCommand,) if namespace else None,
        namespace=namespace,
        tag=tag,
        tag_field=None if tag is None else "operation",
        kw_only=True,
        omit_defaults=True,
        forbid_unknown_fields=True,
        gc=False,
    )


def _plain(annotation: Any, field: str, converts: dict[str, _Convert]) -> Any:
    """A pydantic annotation as msgspec understands it.

    Raises:
        TypeError: it has a part that nothing here stands for.
    """
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        base, *metadata = parts
        bounds = {}
        for item in metadata:
            for one in item.metadata if isinstance(item, FieldInfo) else [item]:
                bounds.update(_bound(one, field, converts))
        plain = _plain(base, field, converts)
        return Annotated[plain, msgspec.Meta(**bounds)] if bounds else plain
    if origin in (Union, types.UnionType):
        return Union[tuple(_plain(part, field, converts) for part in parts)]  # noqa: UP007 - made while running
    if origin in (list, dict):
        return origin[tuple(_plain(part, field, converts) for part in parts)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _struct(annotation, {})
    if origin is Literal or annotation in (str, int, float, bool, None, type(None)):
        return annotation
    raise TypeError(f"{field}: nothing stands for {annotation!r}")


def _bound(item: Any, field: str, converts: dict[str, _Convert]) -> dict[str, Any]:
    """One constraint of an annotation, as an argument of `msgspec.Meta`."""
    match item:
        case MinLen(least):
            return {"min_length": least}
        case MaxLen(most):
            return {"max_length": most}
        case Ge(least):
            return {"ge": least}
        case Le(most):
            return {"le": most}
        case AfterValidator(func=convert):
            converts[field] = cast(_Convert, convert)
            return {}
    pattern = getattr(item, "pattern", None)
    if not isinstance(pattern, str) or not (pattern[0] == "^" and pattern[-1] == "$"):
        raise TypeError(f"{field}: nothing stands for {item!r}")
    # In Python `$` matches before a line feed at the end too.
    return {"pattern": rf"{pattern[:-1]}\Z"}


def _reader(topic: str) -> Callable[[bytes], ReadCommand]:
    converts: dict[str, _Convert] = {}
    structs: list[type[Any]] = [_struct(model, converts) for model in REQUESTS[topic]]
    by_operation = {struct.__struct_config__.tag: struct for struct in structs}
    decode = msgspec.json.Decoder(Union[tuple(structs)]).decode  # noqa: UP007 - made while running
    validate = CONTRACTS[topic].validator.validate_json
    converted = tuple(converts.items())

    def read(value: bytes) -> ReadCommand:
        try:
            command: ReadCommand = decode(value)
            for name, convert in converted:
                found = getattr(command, name)
                if found is not None:
                    setattr(command, name, convert(found))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            model = validate(value)
            command = msgspec.convert(model.model_dump(), by_operation[model.operation])
        return command

    return read


#: Input topic -> reads a record's value. Raises `pydantic.ValidationError`, as the contract does.
READERS: Final = {topic: _reader(topic) for topic in CONTRACTS}
