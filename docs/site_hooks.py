"""What the site has beyond docs/: pages from the root of the repository, and links to them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?!\w+:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages of the root."""
    from mkdocs.structure.files import File

    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links as the repository has them become links of the site; what is no page loses its link."""
    known = {one: page for page, one in PAGES.items()}.get(page.file.src_uri)
    folder = (ROOT / known).parent if known is not None else ROOT / "docs"

    def linked(found: re.Match[str]) -> str:
        target = (folder / found["path"]).resolve()
        if not target.is_relative_to(ROOT) or not target.exists():
            return found[0]  # mkdocs says that it leads nowhere
        path = target.relative_to(ROOT).as_posix()
        where = PAGES.get(path) or (path[5:] if path.startswith("docs/") else None)
        if where is None or not where.endswith(".md"):
            return found["text"]
        return f"[{found['text']}]({where}{found['anchor'] or ''})"

    return _LINK.sub(linked, markdown)
