"""Reading a page as a browser would: elements by tag, id, class and attribute, their text, rows of tables.

It also says which facts a text lacks. Tests of pages ask for structure, numbers and names by this, never for whole
sentences.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from smallvision.rendering.format import SPACE

VOID = {"meta", "img", "br", "link", "hr", "input"}
STEP = re.compile(r"([\w-]*)((?:[#.][\w-]+|\[[\w-]+(?:=[^\]]*)?\])*)")
PART = re.compile(r"([#.])([\w-]+)|\[([\w-]+)(?:=([^\]]*))?\]")
NUMBER = re.compile(r"[+−-]?\d+(?: \d{3})*(?:\.\d+)?")


def plain(text: str) -> str:
    """The text with one ordinary space wherever there is space of any kind."""
    return " ".join(text.replace(SPACE, " ").split())


class Element:
    """A tag with its attributes and all that is inside."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.inside: list[Element | str] = []

    def __getitem__(self, key: str) -> str:
        return self.attributes[key]

    def words(self) -> Iterator[str]:
        for one in self.inside if self.tag != "style" else ():
            yield from [one] if isinstance(one, str) else one.words()

    @property
    def text(self) -> str:
        return plain(" ".join(self.words()))

    def elements(self) -> Iterator["Element"]:
        """All inside, in the order of the page."""
        for one in self.inside:
            if isinstance(one, Element):
                yield one
                yield from one.elements()

    def all(self, selector: str) -> list["Element"]:
        """The elements inside that match a selector: "tag#id.class[key=value]", with spaces as in a style sheet."""
        found = [self]
        for step in selector.split():
            found = list({id(one): one for outer in found for one in outer.elements() if one.is_a(step)}.values())
        return found

    def one(self, selector: str) -> "Element":
        """The only element that a selector names."""
        found = self.all(selector)
        assert len(found) == 1, (
            f"{len(found)} elements are {selector!r}, expected one: {[one.text[:80] for one in found]}"
        )
        return found[0]

    def has(self, selector: str) -> bool:
        return bool(self.all(selector))

    def is_a(self, step: str) -> bool:
        match = STEP.fullmatch(step)
        assert match is not None, f"not a selector: {step}"
        wanted = [(mark, name) if mark else (key, value) for mark, name, key, value in PART.findall(match[2])]
        classes = self.attributes.get("class", "").split()
        return (not match[1] or match[1] == self.tag) and all(
            name in classes
            if mark == "."
            else self.attributes.get("id") == name
            if mark == "#"
            else mark in self.attributes and (not name or self.attributes[mark] == name)
            for mark, name in wanted
        )


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, text, and whether the tags close as they should."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.root = Element("", {})
        self.open: list[Element] = [self.root]
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == [self.root], f"never closed: {[one.tag for one in self.open[1:]]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {key: value or "" for key, value in attrs})
        self.elements.append((tag, element.attributes))
        self.open[-1].inside.append(element)
        if tag not in VOID:
            self.open.append(element)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {key: value or "" for key, value in attrs})
        self.elements.append((tag, element.attributes))
        self.open[-1].inside.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes nothing"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)
        if self.rows and self.rows[-1] and any(one.tag in ("td", "th") for one in self.open):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return self.root.text

    def find(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def all(self, selector: str) -> list[Element]:
        return self.root.all(selector)

    def one(self, selector: str) -> Element:
        return self.root.one(selector)

    def has(self, selector: str) -> bool:
        return self.root.has(selector)

    @property
    def sections(self) -> list[str]:
        """The ids of the sections, in the order of the page."""
        return [one["id"] for one in self.all("section[id]")]

    def facts(self) -> dict[str, str]:
        """The short facts under the page's title, by name."""
        return {one.one("dt").text: one.one("dd").text for one in self.all("dl.facts div")}


def missing(text: str, *facts: str) -> list[str]:
    """Those of the facts (numbers, names) that a text does not have.

    A fact must stand there as a whole: "98.3" is not in "198.3" and not in "98.31".
    """
    found = plain(text)
    return [fact for fact in map(plain, facts) if not re.search(rf"(?<![\w.]){re.escape(fact)}(?!\w|\.\d)", found)]


def says(text: str, *facts: str) -> None:
    """Assert that a text has all these facts, in whatever words and order."""
    lacking = missing(text, *facts)
    assert not lacking, f"{lacking} not in: {plain(text)[:1500]}"


def denies(text: str, *facts: str) -> None:
    """Assert that a text has none of these facts."""
    there = set(map(plain, facts)) - set(missing(text, *facts))
    assert not there, f"{sorted(there)} in: {plain(text)[:1500]}"


def numbers(text: str) -> list[str]:
    """All numbers of a text in their order."""
    return NUMBER.findall(plain(text))


def wording(text: str, *names: str) -> str:
    """What is left of a sentence without its numbers and these names.

    Two sentences with the same wording differ in facts alone.
    """
    found = plain(text)
    for name in names:
        found = found.replace(name, "NAME")
    return NUMBER.sub("#", found)


def check_self_contained(seen: Page, text: str) -> None:
    """Nothing to fetch, nothing to run, every picture described, every id once and every anchor there."""
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in seen.elements:
        assert tag not in ("script", "iframe", "object", "link", "base", "form")
        for key, value in attributes.items():
            assert not key.startswith("on")
            if key in ("src", "href", "action", "srcset", "poster", "data"):
                assert value.startswith(("data:image/png;base64,", "#")), value[:60]
                assert not value.startswith("#") or value[1:] in ids
            for target in re.findall(r"url\(([^)]*)\)", value):
                assert target.strip("'\"")[1:] in ids
    assert "@import" not in text
    assert "http" not in text.replace("http-equiv", "")
    images, drawings = seen.find("img"), seen.find("svg")
    assert all(image.get("alt", "").strip() for image in images)
    assert all(drawing.get("aria-label", "").strip() and drawing.get("role") == "img" for drawing in drawings)
