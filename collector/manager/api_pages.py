"""What the manager says of its own interface: OpenAPI, and a page to read it; all from this machine."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route
from swagger_ui_bundle import swagger_ui_path

from collector import protocol
from collector.manager import signing, wire

FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'"
)
"""What the page may load: nothing from elsewhere."""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Process Meter: the manager's interface</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<main id="interface"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
START = """SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#interface", deepLinking: true,
  validatorUrl: null, supportedSubmitMethods: []
});
"""

_ANSWERS = {
    400: "Not JSON, or damaged",
    401: "Not signed by an agent in force",
    403: "The token is unknown, used up or expired",
    408: "The body took too long",
    409: "A sequence is missing; `fields.expected_sequence` names it",
    413: "Too long",
    415: "Of a kind that is not understood",
    422: "Does not fit the protocol",
    503: "Busy; come again after `Retry-After` seconds",
}


@cache
def openapi() -> bytes:
    """Return the OpenAPI document, made from the records of `collector.protocol`."""
    records = (
        wire.EnrollmentRequest,
        protocol.Enrollment,
        wire.Batch,
        protocol.Acknowledgement,
        protocol.CollectionPolicy,
        protocol.ProjectListHead,
        protocol.ListedProject,
        protocol.Refusal,
    )
    _, schemas = msgspec.json.schema_components(records, ref_template="#/components/schemas/{name}")
    document = {
        "openapi": "3.0.3",
        "info": {
            "title": "Process Meter manager",
            "version": str(protocol.PROTOCOL_VERSION),
            "description": "Where agents enroll, fetch their policy and deliver what they recorded.",
        },
        "paths": _paths(),
        "components": {"schemas": {**_as_openapi_3_0(schemas), "Live": _LIVE, "Health": _HEALTH}},
    }
    return wire.encode(document)


def _as_openapi_3_0(schema: Any) -> Any:
    """Say "or null" as OpenAPI 3.0 says it: the page cannot read the JSON Schema of 3.1."""
    if isinstance(schema, list):
        return [_as_openapi_3_0(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _as_openapi_3_0(value) for key, value in schema.items() if key != "anyOf"}
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return {**_as_openapi_3_0(kinds[0]), **plain, "nullable": True}
    return {**plain, "anyOf": _as_openapi_3_0(kinds)} if kinds else plain


def _paths() -> dict[str, Any]:
    deflate = _header("Content-Encoding", "`deflate` (zlib) where the body is compressed", required=False)
    if_signed = [{**each, "required": False} for each in _SIGNED]
    return {
        "/v1/enroll": {
            "post": _operation(
                "Enroll an agent with a one-time token",
                (201, "Enrollment"),
                (400, 403, 408, 413, 415, 422, 503),
                requestBody=_body("EnrollmentRequest"),
            )
        },
        "/v1/batches": {
            "post": _operation(
                "Deliver closed records, and the presence",
                (200, "Acknowledgement"),
                (400, 401, 408, 409, 413, 415, 422, 503),
                requestBody=_body("Batch"),
                parameters=[*_SIGNED, deflate],
            )
        },
        "/v1/policy": {
            "get": _operation(
                "Fetch the newest collection policy",
                (200, "CollectionPolicy"),
                (401, 503),
                parameters=_SIGNED,
            )
        },
        "/v1/projects": {"get": _project_list()},
        "/v1/live": {
            "get": _operation(
                "Count open sessions; unsigned from this machine alone",
                (200, "Live"),
                (401, 503),
                parameters=if_signed,
            )
        },
        "/v1/health": {"get": _operation("Ask whether the manager answers", (200, "Health"), (503,))},
    }


def _project_list() -> dict[str, Any]:
    etag = _header("If-None-Match", "The ETag at hand", required=False)
    described = _operation(
        "Fetch the list of open projects of an account: JSON lines in gzip, the head first",
        (200, "ProjectListHead"),
        (401, 413, 503),
        parameters=[*_SIGNED, _ACCOUNT, etag],
    )
    kinds = [_json(name)["application/json"]["schema"] for name in ("ProjectListHead", "ListedProject")]
    described["responses"]["200"]["content"] = {"application/x-ndjson": {"schema": {"anyOf": kinds}}}
    described["responses"]["304"] = {"description": "It is as it was"}
    return described


def _operation(
    summary: str, answer: tuple[int, str], refusals: tuple[int, ...], **more: Any
) -> dict[str, Any]:
    status, schema = answer
    responses = {
        str(status): {"description": schema, "content": _json(schema)},
        **{str(each): {"description": _ANSWERS[each], "content": _json("Refusal")} for each in refusals},
    }
    return {"summary": summary, "responses": responses, **more}


def _body(name: str) -> dict[str, Any]:
    return {"required": True, "content": _json(name)}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _header(name: str, description: str, *, required: bool = True) -> dict[str, Any]:
    kind = {"type": "string"}
    return {"name": name, "in": "header", "required": required, "description": description, "schema": kind}


_SIGNED = [
    _header(signing.AGENT_HEADER, "The agent's id"),
    _header(signing.SENT_HEADER, "The agent's wall clock, in milliseconds since 1970"),
    _header(
        signing.SIGNATURE_HEADER,
        "HMAC-SHA256 with the agent's key, in hexadecimal, over method, path, sent and the SHA-256 of the "
        "body as sent, joined by line feeds",
    ),
]
_ACCOUNT = {
    "name": "account",
    "in": "query",
    "required": True,
    "description": "The account that the agent meters: projects that have members are told to these alone",
    "schema": {"type": "string"},
}
_COUNT = {"type": "integer", "minimum": 0}
_LIVE = {
    "title": "Live",
    "type": "object",
    "description": "Open sessions by application and attention; pseudonyms, never names.",
    "required": ["as_of_ms", "applications"],
    "properties": {
        "as_of_ms": {"type": "integer"},
        "applications": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "application": {"type": "string"},
                    "name": {"type": "string"},
                    "sessions": _COUNT,
                    **dict.fromkeys(get_args(protocol.Attention), _COUNT),
                    "stale": _COUNT,
                    "pseudonyms": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}
_HEALTH = {
    "title": "Health",
    "type": "object",
    "required": ["status", "protocol", "policy_version"],
    "properties": {
        "status": {"enum": ["ok"]},
        "protocol": {"type": "integer"},
        "policy_version": {"type": "integer"},
    },
}


async def _document(_request: Request) -> Response:
    return Response(openapi(), media_type="application/json")


async def _page(_request: Request) -> Response:
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})


async def _start(_request: Request) -> Response:
    return Response(START, media_type="text/javascript")


def _file(name: str) -> Route:
    async def send(_request: Request) -> Response:
        return FileResponse(swagger_ui_path / name)

    return Route(f"/docs/{name}", send)


ROUTES = [
    Route("/openapi.json", _document),
    Route("/docs", _page),
    Route("/docs/start.js", _start),
    *map(_file, FILES),
]
