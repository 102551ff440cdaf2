"""The frame of every report: one HTML page that needs nothing but itself."""

from __future__ import annotations

import html

from cryofifa.results.report.style import STYLE

CONTENT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # nothing is fetched or run


def page_html(title: str, origin: str, sections: list[str]) -> str:
    """The whole page as a text of HTML.

    Args:
        title: in plain words.
        origin: the file or folder that the page is about.
        sections: HTML already.
    """
    title = html.escape(title)
    body = "\n".join([f"<h1>{title}</h1>", f'<p class="origin">{html.escape(origin)}</p>', *sections])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""
