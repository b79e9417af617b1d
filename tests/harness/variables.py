"""Settings as an operator writes them: environment variables."""

from __future__ import annotations

PREFIX = "FLOW_EXPORTER_"

SOURCE = "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"
DESTINATION = "11111111-2222-4333-8444-555555555555"
CLIENT = "99999999-8888-4777-8666-555555555555"


def target_variables(
    name: str,
    auth_url: str,
    *,
    source: str = SOURCE,
    destination: str = DESTINATION,
    client: str = CLIENT,
    **fields: object,
) -> dict[str, str]:
    """Return the variables of one target that is answered at `auth_url`.

    Args:
        name: the target's name.
        auth_url: a server's `base_url`.
        source: the source environment's id.
        destination: the destination environment's id.
        client: the source application's id.
        fields: further ones by their names in small letters, such as `interval="1s"`.
    """
    values = {
        "source_environment_id": source,
        "destination_environment_id": destination,
        "client_id": client,
        "auth_url": auth_url,
        **fields,
    }
    return {
        f"{PREFIX}TARGETS__{name.upper()}__{field.upper()}": str(value) for field, value in values.items()
    }
