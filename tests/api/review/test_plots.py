from xml.etree import ElementTree as ET

from api.review.plots import Series, columns, stacks

SERIES = (Series(name="now", css="severity-1"), Series(name="soon", css="severity-3"))


def drawn(text: str) -> ET.Element:
    return ET.fromstring(text)


def widths(image: ET.Element) -> list[float]:
    return [float(bar.attrib["width"]) for bar in image.iter("rect")]


def test_bars_share_one_scale_and_say_their_figures() -> None:
    image = drawn(stacks("Ages", [("under 1 h", (30, 30)), ("older", (15, 0))], SERIES))
    assert widths(image) == [147.0, 147.0, 73.0]
    assert [title.text for title in image.iter("title")] == ["now: 30", "soon: 30", "now: 15"]
    assert [text.text for text in image.iter("text")] == ["under 1 h", "60", "older", "15"]
    assert image.attrib["aria-label"] == "Ages"


def test_nothing_to_show_is_an_empty_image() -> None:
    assert widths(drawn(stacks("Kinds", [], SERIES))) == []
    assert [text.text for text in drawn(columns("Rates", [])).iter("text")] == ["highest 0.0"]


def test_columns_are_as_high_as_their_values() -> None:
    image = drawn(columns("Rates", [("2026-03-01", 4.0), ("2026-03-02", 2.0), ("2026-03-03", 0.0)]))
    assert [float(bar.attrib["height"]) for bar in image.iter("rect")] == [66.0, 33.0, 0.0]
    assert [text.text for text in image.iter("text")] == ["highest 4.0", "2026-03-01", "2026-03-03"]


def test_a_label_cannot_become_markup() -> None:
    assert drawn(stacks("<script>", [("<b>&\"'", (1, 0))], SERIES)).find(".//b") is None


def test_a_plot_needs_no_inline_style_which_the_policy_of_the_pages_forbids() -> None:
    images = [stacks("a", [("b", (1, 2))], SERIES), columns("c", [("2026-03-01", 1.0)])]
    assert all("style" not in image for image in images)
