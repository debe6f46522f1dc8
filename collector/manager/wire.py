"""From bytes to checked records: strict types, no unknown field, bounded numbers and texts.

msgspec cannot tell the plain dataclasses of a union apart, so each record of `collector.protocol` gets a
strict twin here, made from its fields and tagged by its `kind`; nothing about a field is said twice.

A batch with one bad record must not be refused as a whole, or it would block its spool for ever. Where the
quick decoder fails, the envelope and then every record is read by itself, and a record that cannot be read
becomes a `BrokenRecord` with its reason. Of such a record only fields that the protocol knows are kept:
whatever else it carried is not for us to hold.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from collector import protocol
from collector.manager.refusals import Refused

LONGEST_TEXT = 500
LATEST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""
MOST_PRESENCE = 1_000

_Twin = TypeVar("_Twin")
_SMALL = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_LARGE = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_TIME = Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)]
_TEXT = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)]
_LARGE_FIELDS = ("sequence", "backlog", "start_ticks")


# --- Strict twins of the protocol's records ----------------------------------------------------------------


def _bounded(name: str, kind: Any) -> Any:
    """Return a field's type within bounds that both databases can hold."""
    if kind is str:
        return _TEXT
    if kind is int:
        return _LARGE if name in _LARGE_FIELDS else _TIME if name.endswith("_ms") else _SMALL
    if get_origin(kind) in (Union, UnionType):
        return Union[tuple(_bounded(name, part) for part in get_args(kind))]  # noqa: UP007
    if get_origin(kind) is dict:
        return Annotated[dict[_TEXT, _TEXT], msgspec.Meta(max_length=protocol.MOST_FIELDS)]
    return kind


def _default(field: Field[Any]) -> tuple[Any, ...]:
    """Return a field's default as the definition of a struct takes it; nothing where there is none."""
    if field.default_factory is not MISSING:
        return (msgspec.field(default_factory=field.default_factory),)
    return () if field.default is MISSING else (field.default,)


def _twin(record: type[_Twin], /, **other_types: Any) -> type[_Twin]:
    """Make the strict twin of a dataclass; `other_types` replaces the types of some fields."""
    hints = get_type_hints(record)
    declared = fields(cast("Any", record))
    kind = next((str(field.default) for field in declared if field.name == "kind"), None)
    made = msgspec.defstruct(
        record.__name__,
        [
            (
                field.name,
                other_types.get(field.name) or _bounded(field.name, hints[field.name]),
                *_default(field),
            )
            for field in declared
            if field.name != "kind"
        ],
        tag_field="kind" if kind else None,
        tag=kind,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        namespace={"__doc__": record.__doc__},
    )
    return cast("type[_Twin]", made)


Session = _twin(protocol.SessionRecord)
Segment = _twin(protocol.SegmentRecord)
Watch = _twin(protocol.WatchRecord)
Project = _twin(protocol.ProjectRecord)
Presence = _twin(protocol.PresenceRecord)
EnrollmentRequest = _twin(protocol.EnrollmentRequest)

_Record: Any = Union[Session, Segment, Watch, Project]  # noqa: UP007
_Numbered = _twin(protocol.NumberedRecord, record=_Record)
_NumberedRaw = _twin(protocol.NumberedRecord, record=Any)


def _up_to(most: int, kind: Any) -> Any:
    return Annotated[tuple[kind, ...], msgspec.Meta(max_length=most)]


Batch = _twin(
    protocol.Batch,
    records=_up_to(protocol.MAX_BATCH_RECORDS, _Numbered),
    presence=_up_to(MOST_PRESENCE, Presence),
)
_BatchRaw = _twin(
    protocol.Batch,
    records=_up_to(protocol.MAX_BATCH_RECORDS, _NumberedRaw),
    presence=_up_to(MOST_PRESENCE, Any),
)
_batches = msgspec.json.Decoder(Batch)
_enrollments = msgspec.json.Decoder(EnrollmentRequest)
_KNOWN_FIELDS = {field.name for kind in get_args(protocol.Record) for field in fields(kind)}


# --- Bytes -------------------------------------------------------------------------------------------------


def inflate(body: bytes, encoding: str | None, limit: int) -> bytes:
    """Undo the compression of a body, and never grow beyond the limit.

    Raises
    ------
    Refused
        415 for an unknown encoding, 400 for damaged data, 413 beyond the limit.
    """
    if encoding in (None, "", "identity"):
        return body
    if encoding != "deflate":
        raise Refused(415, f"Content-Encoding {encoding} is not understood", "send deflate (zlib), or none")
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise Refused(400, f"The body is not valid deflate data: {error}", "compress it with zlib") from error
    if len(plain) > limit:
        raise Refused(413, f"The body is over {limit} bytes when decompressed", "send fewer records at once")
    if not stream.eof or stream.unused_data:
        raise Refused(
            400, "The deflate data is cut short or has more behind it", "send one whole zlib stream"
        )
    return plain


def encode(answer: Any) -> bytes:
    """Write an answer as JSON."""
    return msgspec.json.encode(answer)


# --- Batches and enrollments -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A record that could not be read."""

    reason: str
    text: str
    """What may be kept of it, as JSON."""


@dataclass(frozen=True, slots=True)
class ReceivedBatch:
    """A batch whose envelope is sound; single records may be broken."""

    epoch: str
    agent_version: str
    sent_ms: int
    backlog: int
    records: tuple[tuple[int, protocol.Record | BrokenRecord], ...]
    """Each with its sequence."""
    presence: tuple[protocol.PresenceRecord, ...]


def decode_enrollment(body: bytes) -> protocol.EnrollmentRequest:
    """Read an enrollment request.

    Raises
    ------
    Refused
        400 for what is not JSON, 422 for a field that is missing, unknown or of another type.
    """
    try:
        request = _enrollments.decode(body)
    except msgspec.ValidationError as error:
        raise _unfit(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error) from error
    _require_protocol(request.protocol)
    for name in ("token", "host", "zone", "system", "agent_version"):
        if flaw := flaw_of_text(getattr(request, name)):
            raise Refused(422, f"{name} {flaw}", "correct it")
    return request


def decode_batch(body: bytes) -> ReceivedBatch:
    """Read a batch.

    Raises
    ------
    Refused
        400 for what is not JSON, 422 for a broken envelope. A broken record is not refused, but marked.
    """
    try:
        batch = _batches.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_singly(body)
    # The one character that JSON can carry and PostgreSQL cannot.
    if b"\\u0000" in body:
        return _decode_singly(body)
    _require_envelope(batch)
    return _received(batch, ((each.sequence, each.record) for each in batch.records), batch.presence)


def _received(
    batch: protocol.Batch,
    records: Iterator[tuple[int, protocol.Record | BrokenRecord]],
    presence: tuple[protocol.PresenceRecord, ...],
) -> ReceivedBatch:
    return ReceivedBatch(
        epoch=batch.epoch,
        agent_version=batch.agent_version,
        sent_ms=batch.sent_ms,
        backlog=batch.backlog,
        records=tuple(records),
        presence=presence,
    )


def _decode_singly(body: bytes) -> ReceivedBatch:
    try:
        # The standard library also reads NaN, which a careless sender writes for a number it does not know.
        batch = msgspec.convert(json.loads(body), _BatchRaw)
    except msgspec.ValidationError as error:
        raise _unfit(error) from error
    except (ValueError, RecursionError) as error:
        raise _not_json(error) from error
    _require_envelope(batch)
    presence = tuple(record for raw in batch.presence if (record := _presence(raw)) is not None)
    return _received(batch, ((each.sequence, _record(each.record)) for each in batch.records), presence)


def _record(raw: Any) -> protocol.Record | BrokenRecord:
    try:
        record: protocol.Record = msgspec.convert(raw, _Record)
    except (msgspec.ValidationError, RecursionError) as error:
        return BrokenRecord(sound_text(f"{error}"), kept_text(raw))
    for name, value in msgspec.structs.asdict(cast("Any", record)).items():
        texts = [*value.keys(), *value.values()] if isinstance(value, dict) else [value]
        for text in texts:
            if isinstance(text, str) and (flaw := flaw_of_text(text)):
                return BrokenRecord(f"{name} {flaw}", kept_text(raw))
    return record


def _presence(raw: Any) -> protocol.PresenceRecord | None:
    """Read one presence record; a broken one is left out: the next batch overwrites it anyway."""
    try:
        record = msgspec.convert(raw, Presence)
    except (msgspec.ValidationError, RecursionError):
        return None
    texts = (record.session, record.application, record.account)
    return None if any(map(flaw_of_text, texts)) else record


# --- Texts -------------------------------------------------------------------------------------------------


def flaw_of_text(text: str) -> str | None:
    """Return what keeps a text out of a database, or None."""
    if "\x00" in text:
        return "has a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "has half of a surrogate pair"
    return None


def sound_text(text: str) -> str:
    """Return a text that every database takes, cut to the longest that we keep."""
    return text.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode()[:LONGEST_TEXT]


def kept_text(raw: Any) -> str:
    """Return as JSON what may be kept of a record: plain values of fields that the protocol knows."""
    if not isinstance(raw, dict):
        return json.dumps({"type": type(raw).__name__})
    kept = {name: _kept_value(raw[name]) for name in raw if name in _KNOWN_FIELDS}
    if isinstance(raw.get("fields"), dict):
        entered = list(raw["fields"].items())[: protocol.MOST_FIELDS]
        kept["fields"] = {sound_text(str(name)): _kept_value(value) for name, value in entered}
    return json.dumps(kept)


def _kept_value(value: Any) -> Any:
    if isinstance(value, str):
        return sound_text(value)
    return value if value is None or isinstance(value, bool | int | float) else type(value).__name__


def text_of(record: protocol.Record | BrokenRecord) -> str:
    """Return a record as the JSON that is kept when it is set aside."""
    return record.text if isinstance(record, BrokenRecord) else kept_text(msgspec.to_builtins(record))


# --- Envelopes ---------------------------------------------------------------------------------------------


def _require_envelope(batch: protocol.Batch) -> None:
    _require_protocol(batch.protocol)
    for name in ("epoch", "agent_version"):
        value = getattr(batch, name)
        if flaw := flaw_of_text(value) or (None if value else "is empty"):
            raise Refused(422, f"{name} {flaw}", "send the spool's own")


def _require_protocol(version: int) -> None:
    if version != protocol.PROTOCOL_VERSION:
        raise Refused(
            422,
            f"Protocol {version} is not spoken here, but {protocol.PROTOCOL_VERSION}",
            "bring agent and manager to the same version",
        )


def _unfit(error: msgspec.ValidationError) -> Refused:
    return Refused(422, sound_text(f"The body does not fit the protocol: {error}"), "see /openapi.json")


def _not_json(error: Exception) -> Refused:
    return Refused(
        400, sound_text(f"The body is not JSON: {error}"), "send JSON as /openapi.json describes it"
    )
