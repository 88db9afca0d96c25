"""Headers in the forms that other systems read: OCSF API Activity and OpenTelemetry log records (OTLP/JSON).

The mapping has a version of its own; the log's format never follows another's. What has no place in OCSF stands under
`unmapped`, and nothing is left out. Neither form can prove anything: the leaf and its proof do.
"""

from __future__ import annotations

from typing import Any, Final

OCSF_VERSION: Final = "1.3.0"
MAPPING_VERSION: Final = 1
_API_ACTIVITY, _APPLICATION = 6003, 6
_CREATE, _READ, _UPDATE, _DELETE, _OTHER = 1, 2, 3, 4, 99
_ACTIVITY = {
    "request.received": _CREATE,
    "access.read": _READ,
    "access.exported": _READ,
    "record.corrected": _UPDATE,
    "keys.rotated": _UPDATE,
    "erasure.done": _DELETE,
    "retention.done": _DELETE,
}
_INFORMATIONAL, _LOW, _MEDIUM, _HIGH = 1, 2, 3, 4
_SEVERE = {"spill.damaged": _HIGH, "records.lost": _HIGH, "disk.full": _HIGH, "erasure.replayed": _MEDIUM}
_DECIDED = {"block": _MEDIUM, "redact": _LOW, "rewrite": _LOW, "flag": _LOW}
_FAILED = frozenset({"response.failed", "response.aborted", "request.orphaned", "records.lost", "spill.damaged"})
_OTEL_SEVERITY = {_INFORMATIONAL: (9, "INFO"), _LOW: (10, "INFO2"), _MEDIUM: (13, "WARN"), _HIGH: (17, "ERROR")}


def to_ocsf(seq: int, header: dict[str, Any]) -> dict[str, Any]:
    """A header as an event of class 6003. The caller's address is not in the log, so the source is named by its writer."""
    activity = _ACTIVITY.get(header["typ"], _OTHER)
    event: dict[str, Any] = {
        "activity_id": activity,
        "category_uid": _APPLICATION,
        "class_uid": _API_ACTIVITY,
        "type_uid": _API_ACTIVITY * 100 + activity,
        "time": header["sts"] // 1000,
        "severity_id": _severity(header),
        "status_id": 2 if header["typ"] in _FAILED else 1,
        "metadata": {
            "version": OCSF_VERSION,
            "product": {"name": "Haechi audit log", "vendor_name": "Haechi"},
            "uid": header["id"],
            "event_code": header["typ"],
            "log_name": header["log"],
            "sequence": seq,
            "tenant_uid": header["ten"],
            "logged_time": header["sts"] // 1000,
            "original_time": str(header["wts"]),
            "correlation_uid": header["req"],
        },
        "actor": {"app_name": "haechi-gateway", "app_uid": header["w"]},
        "api": {"operation": header["act"], "request": {"uid": header["req"]}, "service": {"name": "haechi"}},
        "src_endpoint": {"uid": header["w"], "name": "not-recorded"},
        "unmapped": {name: value for name, value in header.items() if name not in _MAPPED},
    }
    if activity == _OTHER:
        event["activity_name"] = header["typ"]
    return event


def to_otel(seq: int, header: dict[str, Any]) -> dict[str, Any]:
    """A header as one OTLP/JSON export request with one log record."""
    number, text = _OTEL_SEVERITY[_severity(header)]
    known: dict[str, Any] = {
        "haechi.audit.mapping": MAPPING_VERSION,
        "haechi.audit.seq": seq,
        "gen_ai.request.model": header["mod"],
        "gen_ai.usage.input_tokens": header["ti"],
        "gen_ai.usage.output_tokens": header["to"],
        **{f"haechi.audit.{name}": value for name, value in header.items() if isinstance(value, str | int)},
        "haechi.audit.categories": [found["c"] for found in header["fin"]],
    }
    record = {
        "timeUnixNano": str(header["wts"] * 1000),
        "observedTimeUnixNano": str(header["sts"] * 1000),
        "severityNumber": number,
        "severityText": text,
        "eventName": header["typ"],
        "body": {"stringValue": header["typ"]},
        "attributes": [
            {"key": name, "value": _any_value(value)} for name, value in known.items() if value not in ("", [])
        ],
    }
    resource = {"service.name": "haechi", "service.instance.id": header["w"], "haechi.audit.log": header["log"]}
    named = [{"key": name, "value": _any_value(value)} for name, value in resource.items()]
    scope = {"name": "haechi.audit", "version": str(MAPPING_VERSION)}
    return {
        "resourceLogs": [{"resource": {"attributes": named}, "scopeLogs": [{"scope": scope, "logRecords": [record]}]}]
    }


_MAPPED = frozenset({"id", "log", "req", "sts", "ten", "typ", "w", "wts", "act"})


def _severity(header: dict[str, Any]) -> int:
    return _SEVERE.get(header["typ"]) or _DECIDED.get(header["dec"], _INFORMATIONAL)


def _any_value(value: object) -> dict[str, Any]:
    """OTLP's AnyValue; integers travel as strings, as protobuf's JSON form has it."""
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_any_value(one) for one in value]}}
    return {"stringValue": str(value)}
