"""What the operator writes -> targets and the rest. Only here is pydantic known.

environment_file   .env -> variables                       document   JSON of targets -> leaves
configuration_file its YAML -> tree of leaves              tree       mappings -> tree of leaves
secret_files       a mounted Secret -> variables
yaml_reading       YAML -> yaml_nodes, with lines          file_content   a file, within bounds
sources            all of these, the strongest first
reading            variables -> tree of leaves             shape      the schema as a tree of names
merging            trees of several sources -> one         schema     the variables, defaults, meanings
validation         tree -> models                          values, address, egress, duration   single values
                                                           client_certificate  looks at its files
resolution, draft  models -> targets                       resolved   what comes out
sharding           which of several exporters probes what
web_file           Prometheus' web configuration file     section, web_tls    its parts
loading            all of it                               description, reference   told in words
fingerprint        whether files have changed
"""

from exporter.files import printable
from exporter.settings.address import ListenAddress
from exporter.settings.description import describe
from exporter.settings.file_digests import file_digests
from exporter.settings.loading import load
from exporter.settings.mistake import ConfigurationError, InvalidSetting
from exporter.settings.reference import reference
from exporter.settings.resolved import Config, EgressConfig, LogConfig, ShardConfig, WebConfig

__all__ = [
    "Config",
    "ConfigurationError",
    "EgressConfig",
    "InvalidSetting",
    "ListenAddress",
    "LogConfig",
    "ShardConfig",
    "WebConfig",
    "describe",
    "file_digests",
    "load",
    "printable",
    "reference",
]
