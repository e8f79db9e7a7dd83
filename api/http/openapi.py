"""The OpenAPI document, which is built from a table of routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec
from aiohttp import web

from api.http.idempotency import HEADER, KEY_PATTERN
from api.http.problems import ERRORS, ProblemDocument
from api.http.routing import Route

DOCUMENT = web.AppKey("openapi", bytes)
_REF: Final = "#/components/schemas/{name}"
_PROBLEM: Final = {"$ref": _REF.format(name="ProblemDocument")}
_PLACEHOLDER: Final = re.compile(r"{(\w+)}")


async def show_document(request: web.Request) -> web.Response:
    return web.Response(body=request.app[DOCUMENT], content_type="application/json")


def build_document(routes: Sequence[Route]) -> bytes:
    """Return the document as JSON."""
    kinds = dict.fromkeys([*_list_kinds(routes), ProblemDocument])
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    ref = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _describe_operation(route, ref)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Spendline", "version": version("spendline")},
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _list_kinds(routes: Iterable[Route]) -> Iterable[type]:
    for route in routes:
        yield from (kind for kind in (route.request, *route.answers.values()) if kind is not None)


def _describe_operation(route: Route, ref: dict[type, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [*_describe_path(route), *_describe_query(route), *_describe_headers(route)],
        "responses": _describe_responses(route, ref),
    }
    if route.scopes is not None:
        operation["security"] = [{"token": []}]
        operation["x-scopes"] = sorted(route.scopes)
        operation["x-binding"] = route.binding.name
    if route.request is not None:
        content = {media: {"schema": ref[route.request]} for media in route.media}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _describe_path(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PLACEHOLDER.findall(route.path)
    ]


def _describe_query(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    _, components = msgspec.json.schema_components([route.query])
    properties = components[route.query.__name__]["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _describe_headers(route: Route) -> list[dict[str, Any]]:
    if route.method != "POST":
        return []
    schema = {"type": "string", "pattern": f"^{KEY_PATTERN}$"}
    description = "A repeated request with this key and body gets the first answer for 24 hours."
    return [{"name": HEADER, "in": "header", "schema": schema, "description": description}]


def _describe_responses(route: Route, ref: dict[type, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {
        str(status): {"description": "success", **_describe_content(kind, ref)}
        for status, kind in route.answers.items()
    }
    if route.versioned:
        responses["304"] = {"description": "The answer that the reader holds is still right."}
    for status in _list_refusals(route):
        content = {"application/problem+json": {"schema": _PROBLEM}}
        responses[str(status)] = {"description": ERRORS[status], "content": content}
    return responses


def _describe_content(kind: type | None, ref: dict[type, Any]) -> dict[str, Any]:
    return {} if kind is None else {"content": {"application/json": {"schema": ref[kind]}}}


def _list_refusals(route: Route) -> list[int]:
    statuses = {500, 503}
    if route.scopes is not None:
        statuses |= {401, 403, 429}
    if "{" in route.path:
        statuses |= {404}
    if route.query is not None or route.request is not None:
        statuses |= {422}
    if route.request is not None:
        statuses |= {400, 408, 413, 415}
    if route.method == "POST":
        statuses |= {409, 410}
    return sorted(statuses)
