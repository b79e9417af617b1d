"""The journey `discovery`: the metadata of the source's issuer, and its signing keys.

OpenID Connect Discovery 1.0, section 4; RFC 7517. Neither request has a body, a cookie or a secret.
"""

from collections.abc import Callable
from functools import partial

from exporter.probing.links import parse_link
from exporter.probing.messages import Request, Step, Steps
from exporter.probing.metadata import judge_metadata, metadata_hash, metadata_url, signing_algorithms
from exporter.probing.signing_keys import judge_signing_keys
from exporter.target import Target


def discovery(target: Target, _token: Callable[[], str]) -> Steps:
    """Read the metadata of the source's issuer, which may follow from `source_url`, then its keys."""
    url = metadata_url(target)
    metadata = yield Step("metadata", Request("GET", url), partial(judge_metadata, target=target))
    link, issuer = parse_link(metadata.location), parse_link(url)
    if metadata.location is None or link is None or issuer is None:  # a good verdict has it
        return
    yield Step(
        name="jwks",
        request=Request("GET", metadata.location),
        judge=partial(
            judge_signing_keys,
            algorithms=signing_algorithms(metadata.flow),
            metadata_hash=metadata_hash(metadata.flow),
        ),
        foreign=link.origin != issuer.origin,  # the judge of the metadata admits configured hosts alone
    )
