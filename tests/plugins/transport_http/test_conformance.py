"""The plugin and its routes, behind the contracts of all."""

from pegboard.testing.plugin_suite import PluginSuite
from pegboard.testing.route_suite import RouteSuite


class TestPlugin(PluginSuite):
    plugin = "transport_http"


class TestRoutes(RouteSuite):
    plugin = "transport_http"
    path = "/health"


class TestDescription(RouteSuite):
    plugin = "transport_http"
    path = "/openapi.json"
