"""The OpenAPI document is whole."""

from __future__ import annotations

import msgspec

from api.http import openapi
from api.routes import ROUTES


def test_the_document_holds_the_schemas_that_it_refers_to() -> None:
    document = msgspec.json.decode(openapi.build_document(ROUTES))
    text = openapi.build_document(ROUTES).decode()
    for name in document["components"]["schemas"]:
        assert f"#/components/schemas/{name}" in text
    push = document["paths"]["/v1/transactions"]["post"]
    assert set(push["requestBody"]["content"]) == {"application/json", "application/x-ndjson"}
    assert set(push["responses"]) >= {"202", "400", "401", "403", "413", "415", "422", "503"}
