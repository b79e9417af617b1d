"""Settings: what the operator writes becomes one checked, frozen `Config`.

variables      the environment, .env, a mounted Secret  ─┬─> provenance   RawSettings: path -> value, location
yaml_file      YAML                                     ─┘
schema         Settings: names, types, defaults              values, addresses   types of single settings
target_settings  those of targets, and their rules           section    what all groups of settings share
explain        pydantic's errors at their locations          web_file       Prometheus' web configuration file
load           flags, and all of it, in order                           resolve        settings -> config
"""

from exporter.settings.addresses import ListenAddress
from exporter.settings.load import FLAGS, load
from exporter.settings.provenance import ConfigurationError, InvalidSetting
from exporter.settings.resolve import Config, shard_of
from exporter.settings.schema import LogSettings, Settings, ShardSettings, StatusPageSettings, WebSettings
from exporter.settings.target_settings import REQUIRED, TargetSettings
from exporter.settings.values import MAX_NAME_LENGTH, MAX_SHARDS, RESERVED_LABELS, LinearPattern
from exporter.settings.web_file import TlsServerConfig

__all__ = [
    "FLAGS", "MAX_NAME_LENGTH", "MAX_SHARDS", "REQUIRED", "RESERVED_LABELS", "Config",
    "ConfigurationError", "InvalidSetting", "LinearPattern", "ListenAddress", "LogSettings",
    "Settings", "ShardSettings", "StatusPageSettings", "TargetSettings", "TlsServerConfig", "WebSettings",
    "load", "shard_of",
]  # fmt: skip
