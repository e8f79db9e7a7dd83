"""What the reference pages take from the code, so that no name or default is copied by hand.

A page in PAGES is a Jinja template; the function beside its name returns the values of the page.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import entry_points
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Final

import click
from jinja2 import Environment, StrictUndefined
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from api.http.openapi import build_document
from api.http.problems import ERRORS
from api.http.routing import Binding
from api.routes import ROUTES
from pipeline.settings import PREFIX, Settings

_LIMITS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches `{}`",
}
_JINJA: Final = Environment(
    autoescape=False,  # noqa: S701 - the output is Markdown
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a table; all texts are Markdown."""

    name: str
    kind: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path; `answers` are status, meaning and body, `errors` statuses."""

    title: str
    summary: str
    access: str
    parameters: list[Field]
    body: str | None
    answers: list[tuple[str, str, str]]
    errors: list[str]


@dataclass(frozen=True, slots=True)
class Schema:
    """One JSON object of the HTTP contract."""

    name: str
    meaning: str
    fields: list[Field]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the pages with Sphinx, which reads them anew at every build."""
    app.connect("source-read", _render_page)
    app.connect("env-get-outdated", lambda *_: list(PAGES))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def describe_index() -> dict[str, Any]:
    """The version, and the decisions, of which the overview comes first."""
    here = Path(__file__).parent
    pages = sorted(here.glob("decisions/*.md"), key=lambda page: (page.stem != "index", page))
    decisions = [page.relative_to(here).with_suffix("").as_posix() for page in pages]
    return {"version": installed_version("spendline"), "decisions": decisions}


def describe_http() -> dict[str, Any]:
    """The operations by their noun, and the schemas, of the OpenAPI document."""
    contract = json.loads(build_document(ROUTES))
    nouns: dict[str, list[Operation]] = {}
    for path, methods in contract["paths"].items():
        for method, operation in methods.items():
            noun = operation["operationId"].partition(".")[0]
            nouns.setdefault(noun, []).append(
                _describe_operation(f"{method.upper()} {path}", operation)
            )
    schemas = [
        _describe_schema(*item) for item in sorted(contract["components"]["schemas"].items())
    ]
    return {"nouns": nouns, "schemas": schemas, "errors": sorted(ERRORS.items())}


def describe_settings() -> dict[str, Any]:
    """Every setting with the comment beside it. Raises ExtensionError for one without."""
    comments = _read_comments(inspect.getsource(Settings))
    rows = [
        Field(
            f"{PREFIX}{field.name.upper()}",
            _escape_cell(str(field.type)),
            _quote_code(field.default),
            _escape_cell(comments[field.name]),
        )
        for field in fields(Settings)
    ]
    return {"settings": rows}


def describe_commands() -> dict[str, Any]:
    """The commands of `spendline`: name, what it does, and `module:attribute`."""
    (script,) = entry_points(group="console_scripts", name="spendline")
    group: click.Group = script.load()
    context = click.Context(group, info_name="spendline")
    return {"commands": list(_list_commands(group, context))}


PAGES: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "index": describe_index,
    "reference/http": describe_http,
    "reference/settings": describe_settings,
    "reference/command-line": describe_commands,
}


def _render_page(_: Sphinx, page: str, source: list[str]) -> None:
    if page in PAGES:
        source[0] = _JINJA.from_string(source[0]).render(PAGES[page]())


def _describe_operation(title: str, operation: Mapping[str, Any]) -> Operation:
    body, answers = operation.get("requestBody"), sorted(operation["responses"].items())
    return Operation(
        title,
        operation["summary"],
        _describe_access(operation),
        [_describe_parameter(parameter) for parameter in operation["parameters"]],
        None if body is None else _describe_content(body["content"]),
        [
            (status, answer["description"], _describe_content(answer.get("content", {})))
            for status, answer in answers
            if status < "400"
        ],
        [status for status, _ in answers if status >= "400"],
    )


def _describe_access(operation: Mapping[str, Any]) -> str:
    if "x-scopes" not in operation:
        return "No token is needed."
    scopes = " or ".join(f"`{scope}`" for scope in operation["x-scopes"])
    binding = Binding[operation["x-binding"]].value
    return f"The token needs the scope {scopes}. For a token bound to one user: {binding}."


def _describe_content(content: Mapping[str, Any]) -> str:
    """The schema, which is the same for all content types, and these types."""
    if not content:
        return ""
    types = ", ".join(f"`{media}`" for media in content)
    return f"{_describe_type(next(iter(content.values()))['schema'])} as {types}"


def _describe_parameter(parameter: Mapping[str, Any]) -> Field:
    schema = parameter["schema"]
    default = "required" if parameter.get("required") else _describe_default(schema)
    meaning = parameter.get("description") or _find_meaning(schema)
    return Field(
        f"{parameter['name']} ({parameter['in']})",
        _describe_type(schema),
        default,
        _escape_cell(meaning),
    )


def _describe_schema(name: str, schema: Mapping[str, Any]) -> Schema:
    required = schema.get("required", ())
    rows = [
        Field(
            field,
            _describe_type(shape),
            "required" if field in required else _describe_default(shape),
            _escape_cell(_find_meaning(shape)),
        )
        for field, shape in schema.get("properties", {}).items()
    ]
    return Schema(name, schema.get("description", ""), rows)


def _describe_type(schema: Mapping[str, Any]) -> str:
    """The type of a value and its limits."""
    limits = [text.format(schema[key]) for key, text in _LIMITS.items() if key in schema]
    return _escape_cell(", ".join([_name_type(schema), *limits]))


def _name_type(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"$ref": ref}:
            name = ref.rpartition("/")[2]
            text = f"[{name}](#schema-{name.lower()})"
        case {"anyOf": kinds}:
            text = " or ".join(map(_describe_type, kinds))
        case {"enum": values}:
            text = "one of " + ", ".join(map(_quote_code, values))
        case {"type": "array", "items": items}:
            text = f"list of {_describe_type(items)}"
        case {"type": "object", "additionalProperties": dict(values)}:
            text = f"object whose values are {_describe_type(values)}"
        case {"type": [*kinds]}:
            text = " or ".join(kinds)
        case {"type": kind, "format": form}:
            text = f"{kind} ({form})"
        case _:
            text = str(schema.get("type", "any value"))
    return text


def _find_meaning(schema: Mapping[str, Any]) -> str:
    nested = (kind.get("description", "") for kind in schema.get("anyOf", ()))
    return schema.get("description") or next(filter(None, nested), "")


def _describe_default(schema: Mapping[str, Any]) -> str:
    return "" if schema.get("default") is None else _quote_code(schema["default"])


def _read_comments(source: str) -> dict[str, str]:
    """The comment at the end of each field's line."""
    lines = source.splitlines()
    comments = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            _, _, comment = lines[node.lineno - 1].partition("  # ")
            if not comment:
                raise ExtensionError(f"the setting {node.target.id} has no comment")
            comments[node.target.id] = comment
    return comments


def _list_commands(group: click.Group, context: click.Context) -> Iterator[tuple[str, str, str]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and (module := inspect.getmodule(command.callback)):
            summary, _, _ = (module.__doc__ or "").partition("\n")
            yield f"spendline {name}", _escape_cell(summary), f"{module.__name__}:command"


def _quote_code(value: object) -> str:
    return f"`{value}`" if value != "" else ""


def _escape_cell(text: str) -> str:
    """`text` inside a table, where a bar would end the cell."""
    return text.replace("|", r"\|")
