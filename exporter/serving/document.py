"""What all our pages are: self-contained HTML documents under one strict policy. Pure.

No script, no external asset, and one style sheet that the content security policy admits by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --paper: #fff;
  --good: #14713d; --bad: #b3261e; --link: #0b57d0; --code: #f2f4f7 }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa5b4; --line: #323a46;
  --paper: #14181e; --good: #6fd69a; --bad: #ff8a80; --link: #8ab4f8; --code: #1e242d } }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
a { color: var(--link) } header p, caption { color: var(--soft) }
nav { display: flex; gap: 1.5rem; margin: 1rem 0 2rem } .wide { overflow-x: auto }
table { border-collapse: collapse; width: 100% } caption { text-align: left; padding-bottom: .5rem }
th, td { text-align: left; padding: .4rem 1rem .4rem 0; border-bottom: 1px solid var(--line) }
.wide th, .wide td { white-space: nowrap }
thead th { color: var(--soft); font-weight: 600 } .good { color: var(--good) } .bad { color: var(--bad) }
code { font: .9em ui-monospace, monospace; background: var(--code); overflow-wrap: anywhere }
pre { background: var(--code); padding: .75rem 1rem; overflow-x: auto }
pre code { background: none; overflow-wrap: normal }
""".strip()

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{_STYLE_HASH}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Permits our pages their own style sheet and nothing else."""


def document(title: str, body: str) -> str:
    """Write a whole HTML document.

    Args:
        title: text; it is escaped.
        body: HTML.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"""
