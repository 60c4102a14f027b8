"""The plugin and its channels, behind the contracts of all."""

from pegboard.testing.channel_suite import ChannelSuite
from pegboard.testing.plugin_suite import PluginSuite


class TestPlugin(PluginSuite):
    plugin = "transport_ws"


class TestChannels(ChannelSuite):
    plugin = "transport_ws"
