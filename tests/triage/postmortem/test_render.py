import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.triage.postmortem import worlds
from triagebot.triage.postmortem import compose
from triagebot.triage.postmortem.lifecycle import Material, build
from triagebot.triage.postmortem.record import Record
from triagebot.triage.postmortem.render import escape_markdown, fenced, inline_svg, safe_link

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Elements, attributes and balance of a page."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.open, self.ids, self.targets, self.text = set(), [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        self.targets += [value for name, value in attrs if name == "href"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def rendered(verdict, incident=None, timeline=None, **changes):
    incident, timeline = incident or worlds.incident(), timeline or worlds.timeline()
    record = Record.of(incident, timeline, verdict)
    document = compose(incident, timeline, verdict)
    material = Material(document=document, record=record, digest="d", facts_digest="f", proof=document.facts)
    return build(material, {}, changes)


def markdown_it(text):
    return MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table")


WORLDS = {
    "implicated": worlds.implicated(),
    "none": worlds.none_of_five(),
    "open": worlds.undetermined(),
    "hostile": worlds.hostile(),
    "no verdict": None,
}


@pytest.mark.parametrize("name", WORLDS)
def test_html_is_whole_and_runs_nothing(name):
    page = Page(rendered(WORLDS[name])["html"])
    assert not page.tags & {"script", "iframe", "object", "embed", "form", "base", "b!"}
    assert not [a for a, _ in page.attributes if a.startswith("on")]
    assert all(t.startswith(("#", "https://")) for t in page.targets)
    assert len(page.ids) == len(set(page.ids))
    assert {t[1:] for t in page.targets if t.startswith("#")} <= set(page.ids)


def test_hostile_text_is_shown_as_it_was_written():
    text = "".join(Page(rendered(worlds.hostile())["html"]).text)
    assert "{{ 7*7 }}" in text
    assert "<script>alert(1)</script>" in text
    assert "49" not in text.replace("49 min", "").replace("49 %", "")


@pytest.mark.parametrize("name", WORLDS)
def test_markdown_has_no_html_and_only_its_own_links(name):
    tokens = markdown_it("").parse(rendered(WORLDS[name])["markdown"])
    inline = [child for token in tokens for child in token.children or ()]
    assert not [t for t in (*tokens, *inline) if t.type in ("html_block", "html_inline")]
    links = {child.attrs["href"] for child in inline if child.type == "link_open"}
    assert links <= {"https://acme.pagerduty.com/incidents/Q1", "https://grafana.example/d/1?x=1&y=2"}


@pytest.mark.parametrize("name", WORLDS)
def test_markdown_tables_keep_their_columns(name):
    for block in re.findall(r"(?:^\|.*\n)+", rendered(WORLDS[name])["markdown"], re.MULTILINE):
        columns = [len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()]
        assert len(set(columns)) == 1, block


@given(st.text(max_size=200))
def test_any_text_in_markdown_is_one_paragraph_of_text(text):
    tokens = markdown_it("").parse(f"x {escape_markdown(text)}")
    assert [t.type for t in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {c.type for c in tokens[1].children} <= {"text", "text_special"}


@given(st.text(alphabet="`~ \nab<", max_size=60))
def test_a_fence_holds_whatever_is_in_it(text):
    tokens = MarkdownIt().parse(fenced(text, "sql"))
    assert len(tokens) == 1
    assert tokens[0].type == "fence"


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:text/html,x",
        "https://",
        "//x",
        "http://a b",
        "https://u:p@h/",
        "https://[",
        "x",
    ],
)
def test_links_that_are_none(link):
    assert safe_link(link) == ""


def test_hostile_titles_reach_the_title_element_as_text():
    html = rendered(worlds.implicated(), worlds.incident(title="</title><script>x</script>"))["html"]
    assert "<script" not in html


def test_the_picture_is_inline_and_named():
    svg = '<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg xmlns="http://www.w3.org/2000/svg" width="10pt" height="5pt" viewBox="0 0 1 1"><metadata>m</metadata></svg>'
    html = rendered(worlds.implicated(), picture=svg, picture_alt='2.1 % → 11.8 % "quoted" <i>')["html"]
    page = Page(html)
    assert ("role", "img") in page.attributes
    assert "<!DOCTYPE svg" not in html
    assert "<metadata" not in html
    assert 'width="10pt"' not in inline_svg(svg, "")
    assert ("aria-label", '2.1 % → 11.8 % "quoted" <i>') in page.attributes


def test_a_draft_shows_what_is_missing():
    verdict = worlds.undetermined()
    timeline = [event for event in worlds.timeline() if event.kind != "acknowledged"]
    assert "no human owner is named" in rendered(verdict, timeline=timeline)["markdown"]


def test_the_same_record_gives_the_same_bytes():
    assert rendered(worlds.implicated()) == rendered(worlds.implicated())


def test_secrets_and_prompts_stay_out():
    verdict = worlds.implicated()
    verdict["findings"][1]["reason"] = "v17 has Authorization: Bearer abcdefghijklmnop1234"
    document = rendered(verdict)
    assert "abcdefghijklmnop1234" not in document["markdown"] + document["html"]
