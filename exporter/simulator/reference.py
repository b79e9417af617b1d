"""docs/simulator.md, made from the weather's own tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from exporter.simulator.demo import demo_world
from exporter.simulator.signs import SIGNS, Sign
from exporter.simulator.weather import NEEDS_TLS, PARAMETERS, Kind, Number, StatusName

DOES: Mapping[Kind, str] = {
    Kind.HEALTHY: "nothing is wrong",
    Kind.SLOW: "each answer waits `ms` and a random part of `jitter`, both in milliseconds",
    Kind.FLAKY: "the share `ratio` of the requests is answered with 503 and a JSON error",
    Kind.RATE_LIMITED: "429 with `Retry-After: retry_after`, in seconds",
    Kind.ERROR_JSON: "status `code` with PingOne's JSON error",
    Kind.ERROR_HTML: "status `code` with a page of HTML, as from the edge",
    Kind.SILENT: "the request is read and never answered",
    Kind.REFUSED: "the port is closed",
    Kind.RESET: "the request is read and the connection reset",
    Kind.TLS_EXPIRED: "the certificate has expired",
    Kind.TLS_WRONG_NAME: "the certificate is for another name",
    Kind.FLOW_FAILED: "200 with a flow whose status is FAILED",
    Kind.POLICY_CHANGED: "the flow has another status than before: `status`, or one of another policy",
    Kind.MAINTENANCE: "302 to a page elsewhere",
    Kind.CLIENT_DELETED: "no application has the client id any more: 302 to the sign-on page with an error",
    Kind.REDIRECT_URI_REMOVED: "the redirect URI is not registered any more",
    Kind.CLOCK_SKEWED: "the provider's clock is `seconds` ahead; negative: behind",
}

_NOTES: Mapping[Kind, str] = {
    Kind.SLOW: "counted as slow beyond the latency objective",
    Kind.CLOCK_SKEWED: "told by `pingone_flow_clock_skew_seconds`",
}

_PAGE = """\
# Simulator

<!-- Generated from exporter/simulator/ by `make docs`. -->

A PingOne to probe when there is none. `pingone-flow-exporter demo` runs it together with the exporter;
`pingone-flow-exporter simulate` runs it alone and prints the variables with which an exporter watches it:

```sh
# In one terminal:
pingone-flow-exporter simulate > variables.sh
# In another one; the last line of variables.sh says where the weather is changed:
. ./variables.sh && FLOW_EXPORTER_DEFAULTS__INTERVAL=5s pingone-flow-exporter
```

In a checkout, `make venv && . .venv/bin/activate` puts the command on the PATH.

| option of `simulate` | default | |
|---|---|---|
| `--environments N` | the demo's {size} | so many, all healthy and over http: `environment_1` and on |
| `--weather NAME=KIND[,PARAMETER=VALUE…]` | as in the demo | at the start; may be repeated |
| `--script weather.yaml` | none | weather over time |
| `--host HOST` | `127.0.0.1` | where all ports listen; nothing protects them |
| `--control-port PORT` | any free one | of the control API |

The demo's environments are {names}.

A signal ends it with exit status 0; a mistake in an option ends it with 2, a port in use with 1.

## Weather

| kind | parameters | what it does | what an exporter reports |
|---|---|---|---|
{rows}

{tls} need an environment that is served over https, of which the demo has {https}.

## Control API

On a port of its own, which no weather reaches; `simulate` and `demo` print where. An environment is given by
its name or its id.

```sh
WEATHER=http://127.0.0.1:9989/weather       # the demo's, unless that port is in use
curl $WEATHER                               # all environments
curl $WEATHER/us_retail                     # one
curl -X PUT $WEATHER/us_retail -d '{{"weather": "slow", "ms": 800}}'
curl -X PUT $WEATHER/us_retail -d '{{"weather": "healthy"}}'
```

A change counts from the next request, and is answered with the environment as it is then. What cannot be is
answered with `{{"error": "…"}}`: 400 for what is no weather, 404 for an unknown environment, 409 for a
certificate's weather without https, 413 for a body that is too long, 503 when the port was taken meanwhile.

## Script

```yaml
repeat: 2m        # begins anew after this long; without it, the last weather stays
changes:
  - {{after: 0, environment: us_retail, weather: healthy}}
  - {{after: 30s, environment: us_retail, weather: slow, ms: 800}}
  - {{after: 1m, environment: au_suppliers, weather: tls_expired}}
```

`after` counts from the start of the script, or of its repetition. A list of changes alone is a script, too.
All mistakes are told at once, with their lines.
"""


def reference() -> str:
    """Return the page of the simulator."""
    world = demo_world()
    return _PAGE.format(
        size=len(world),
        names=", ".join(f"`{environment.name}`" for environment in world),
        rows="\n".join(_rows()),
        tls=" and ".join(f"`{kind}`" for kind in Kind if kind in NEEDS_TLS),
        https=" and ".join(f"`{environment.name}`" for environment in world if environment.https),
    )


def _rows() -> Iterator[str]:
    for kind in Kind:
        parameters = "; ".join(_parameter(name, each) for name, each in PARAMETERS[kind].items())
        signs = " or ".join(_sign(sign) for sign in SIGNS[kind])
        told = "; ".join([signs, _NOTES[kind]] if kind in _NOTES else [signs])
        yield f"| `{kind}` | {parameters or 'none'} | {DOES[kind]} | {told} |"


def _parameter(name: str, parameter: Number | StatusName) -> str:
    if isinstance(parameter, StatusName):
        return f"`{name}`: {parameter}"
    return f"`{name}`: {parameter}, by default {parameter.default:g}"


def _sign(sign: Sign) -> str:
    code = "" if sign.code is None else f", code {sign.code}"
    return f"`{sign.reason}`, fault `{sign.fault}`, phase `{sign.phase}`{code}"
