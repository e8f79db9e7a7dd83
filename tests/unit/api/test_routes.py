"""The table of routes says of every route what it needs to be safe."""

from __future__ import annotations

from api.http.routing import Binding
from api.routes import ROUTES


def test_every_path_below_a_user_is_bound_to_that_user() -> None:
    for route in ROUTES:
        assert ("{user_id}" in route.path) == (route.binding is Binding.PATH), route.name


def test_only_operators_routes_need_no_token() -> None:
    public = {route.path for route in ROUTES if route.scopes is None}
    assert public == {"/livez", "/readyz", "/version", "/openapi.json"}


def test_what_a_route_reads_names_its_unknown_fields() -> None:
    for route in ROUTES:
        for kind in (route.request, route.query):
            assert kind is None or kind.__struct_config__.forbid_unknown_fields, route.name
