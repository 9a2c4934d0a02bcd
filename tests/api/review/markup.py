"""What tests look for in a page: its tags with their attributes, and its text."""

from __future__ import annotations

from html.parser import HTMLParser

Tag = tuple[str, dict[str, str]]


class Markup(HTMLParser):
    """A page taken apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[Tag] = []
        self._words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._words.append(" ")
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    @property
    def text(self) -> str:
        """All words, one blank between them."""
        return " ".join("".join(self._words).split())

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [found for name, found in self.tags if name == tag and wanted.items() <= found.items()]

    def addresses(self) -> list[str]:
        """Every address that the page names."""
        names = ("href", "src", "action", "formaction", "hx-get")
        return [found[name] for _, found in self.tags for name in names if name in found]

    def hidden(self, name: str) -> str:
        """The value of a hidden field."""
        return self.all("input", type="hidden", name=name)[0]["value"]
