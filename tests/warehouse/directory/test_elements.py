"""Entitlements from XML files, whose names only the files and their mappings know."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from warehouse import frames
from warehouse.directory import elements, import_entitlements
from warehouse.directory.element_mappings import element_mapping
from warehouse.directory.elements import parsed, read_elements
from warehouse.errors import Problem

PURCHASES = """\
<?xml version="1.0" encoding="UTF-8"?>
<s:Purchases xmlns:s="urn:seller:purchases" xmlns="urn:seller:terms" currency="EUR">
  <!-- two packs of one product, one of another -->
  <s:Product s:key="suite">
    <Title>The
      Suite</Title>
    <Pack id="P-1">
      <Count of="5">4</Count><Counting>floating</Counting>
      <Term first="2026-01-01" last="2026-12-31T00:00:00Z"/>
      <Price>1234.50</Price>
      <May><Use>draw</Use><Use>solve</Use></May>
    </Pack>
    <Pack id="P-2"><Count>3</Count><Counting>by name</Counting><Term first="2026-03-01+01:00"/></Pack>
  </s:Product>
  <s:Product s:key="solver"><Title>Solver</Title>
    <Pack id="P-3"><Count>7</Count><Counting>floating</Counting><Term first="2026-02-01"/></Pack>
  </s:Product>
</s:Purchases>
"""
MAPPING = """\
element = "Pack"

[columns]
entitlement = "@id"
product = "../@key"
product_name = "../Title"
vendor = { value = "Acme" }
metric = "Counting"
quantity = "Count"
pack_size = "Count/@of"
valid_from = "Term/@first"
valid_to = "Term/@last"
unit_cost = "Price"
currency = "/Purchases/@currency"
applications = "May/Use"

[words.metric]
floating = "concurrent"
"by name" = "named_user"

[format]
dates = "iso"
includes_last_day = true
"""
ONE = "<L><R i='1'><q>5</q><d>2026-01-01</d></R></L>"
OF_ONE = """\
element = "R"
[columns]
entitlement = "@i"
product = { value = "suite" }
product_name = { value = "Suite" }
vendor = { value = "Acme" }
metric = { value = "concurrent" }
quantity = "q"
valid_from = "d"
"""

Bring = Callable[..., str]


@pytest.fixture
def bring(filled: Engine, tmp_path: Path) -> Bring:
    def import_text(text: str | bytes, mapping: str = OF_ONE) -> str:
        file, toml = tmp_path / "right.xml", tmp_path / "own.toml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        toml.write_text(mapping)
        return str(import_entitlements(filled, file, "eva", mapping=toml, at_ms=1))

    return import_text


def rights(engine: Engine) -> list[dict[str, Any]]:
    return frames.entitlements(engine).sort("entitlement").collect().to_dicts()


def test_every_pack_of_a_namespaced_file_becomes_an_entitlement(filled: Engine, bring: Bring) -> None:
    told = bring(PURCHASES, MAPPING)
    assert told == "products: 2 new, 0 changed, 1 unchanged; entitlements: 3 new, 0 changed, 0 unchanged"
    names = ("entitlement", "product", "product_name", "metric", "quantity", "valid_from", "valid_to")
    assert [tuple(str(row[name]) for name in names) for row in rights(filled)] == [
        ("P-1", "suite", "The Suite", "concurrent", "20", "2026-01-01", "2027-01-01"),
        ("P-2", "suite", "The Suite", "named_user", "3", "2026-03-01", "None"),
        ("P-3", "solver", "Solver", "concurrent", "7", "2026-02-01", "None"),
    ]
    assert [(row["unit_cost_minor"], row["currency"]) for row in rights(filled)] == [
        (123_450, "EUR"),
        (None, "EUR"),
        (None, "EUR"),
    ]
    assert frames.entitlement_applications(filled).collect()["application"].to_list() == ["draw", "solve"]
    assert bring(PURCHASES, MAPPING).endswith("entitlements: 0 new, 0 changed, 3 unchanged")


def test_the_example_of_the_documentation_holds(filled: Engine, bring: Bring) -> None:
    page = (Path(__file__).parents[3] / "docs" / "importing.md").read_text(encoding="utf-8")
    _, _, after = page.partition("```xml\n")
    text, _, rest = after.partition("```")
    mapping, _, _ = rest.partition("```toml\n")[2].partition("```")
    bring(text, mapping)
    names = ("entitlement", "metric", "quantity", "valid_to", "currency")
    assert [tuple(str(row[name]) for name in names) for row in rights(filled)] == [
        ("P-1", "concurrent", "20", "2027-01-01", "EUR"),
        ("P-2", "named_user", "3", "None", "EUR"),
    ]


def test_a_path_that_finds_nothing_anywhere_is_told(bring: Bring) -> None:
    told = bring(ONE, OF_ONE + 'valid_to = "e"\ncontract = "../@no"\n')
    assert told.splitlines()[1:] == ["nowhere in the file, where the mapping looks: valid_to, contract"]


def test_days_are_read_as_the_mapping_says(filled: Engine, bring: Bring) -> None:
    bring(ONE.replace("2026-01-01", "31/01/2026"), OF_ONE + '[format]\ndates = "%d/%m/%Y"\n')
    assert [row["valid_from"] for row in rights(filled)] == [date(2026, 1, 31)]


def test_a_word_may_stand_for_a_contract_without_an_end(filled: Engine, bring: Bring) -> None:
    toml = OF_ONE + 'valid_to = "e"\n[words.valid_to]\nperpetual = "-"\n'
    bring(ONE.replace("</R>", "<e>2027-01-01</e></R>"), toml)
    bring(ONE.replace("</R>", "<e>perpetual</e></R>"), toml)
    assert [row["valid_to"] for row in rights(filled)] == [None]


def test_the_element_may_be_named_with_what_is_around_it(filled: Engine, bring: Bring) -> None:
    offer = "<Offer><R i='2'><q>9</q><d>2026-01-01</d></R></Offer>"
    bring(f"<All>{ONE}{offer}</All>", OF_ONE.replace('"R"', '"L/R"'))
    assert [row["entitlement"] for row in rights(filled)] == ["1"]


DOCTYPE = (
    "right.xml, line 1: a document type definition; remove <!DOCTYPE ...>: what it defines is never read"
)
LAUGHS = "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><l>&b;</l>"
OUTSIDE = "<!DOCTYPE l [<!ENTITY a SYSTEM 'file:///etc/hostname'>]><l>&a;</l>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "right.xml, line 1: not XML that can be read (no element found); export it anew"),
        ("entitlement,product\n", "right.xml, line 1: not XML that can be read (syntax error)"),
        ("<L>\n<R></L>", "right.xml, line 2: not XML that can be read (mismatched tag)"),
        ("<L>&who;</L>", "right.xml, line 1: not XML that can be read (undefined entity)"),
        (b"<L>\xff</L>", "right.xml, line 1: not XML that can be read (not well-formed (invalid token))"),
        ("<?xml version='1.0' encoding='klingon'?><L/>", "right.xml is written in an unknown encoding; save"),
        (LAUGHS, DOCTYPE),
        (OUTSIDE, DOCTYPE),
        ("<!DOCTYPE l SYSTEM 'l.dtd'><l/>", DOCTYPE),
        ("<a>" * 101 + "</a>" * 101, "right.xml, line 1: elements 101 deep; export it anew"),
        ("<L><S/><T/></L>", "right.xml has no element 'R'; name one that it has in the mapping: L, S, T"),
        (
            ONE.replace("<q>5</q>", "<q> </q>"),
            "right.xml, element 1, column quantity: there is nothing at 'q'; correct the path, or complete",
        ),
        (
            ONE.replace("</L>", "<R i='2'><q>many</q><d>2026-01-01</d></R></L>"),
            "right.xml, element 2, column quantity: 'many' is not a number; write it as 1234.50",
        ),
        (
            ONE.replace("2026-01-01", "1.1.2026"),
            "right.xml, element 1, column valid_from: '1.1.2026' is no day that is written 2026-12-31;",
        ),
        (
            ONE.replace("2026-01-01", "2026-02-30"),
            "right.xml, element 1, column valid_from: '2026-02-30' is no day that is written 2026-12-31",
        ),
        (
            ONE.replace("<q>5", "<q>6</q><q>5"),
            "right.xml, element 1, column quantity: several values at 'q': 6, 5; let the mapping take",
        ),
        (
            ONE.replace("</L>", "<R i='1'><q>5</q><d>2026-01-01</d></R></L>"),
            "right.xml, element 2, column entitlement: 1 is already in element 1; remove one of them",
        ),
        (
            ONE.replace("'1'", "'1&#x7f;'"),
            r"right.xml, element 1, column entitlement: '1\x7f' holds a character that cannot be shown",
        ),
    ],
)
def test_a_bad_file_is_refused_whole(filled: Engine, bring: Bring, text: str | bytes, message: str) -> None:
    with pytest.raises(Problem) as refused:
        bring(text)
    assert str(refused.value).startswith(message)
    assert rights(filled) == []


def test_a_file_beyond_the_limit_is_refused(bring: Bring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "MAX_BYTES", len(ONE) - 1)
    with pytest.raises(Problem, match=r"right\.xml is larger than 0 MiB; split it into several files"):
        bring(ONE)


def test_xml_without_a_mapping_says_what_it_needs(filled: Engine, tmp_path: Path) -> None:
    file = tmp_path / "right.xml"
    file.write_text(ONE)
    with pytest.raises(Problem, match=r"nothing says what its elements mean; add --mapping FILE\.toml"):
        import_entitlements(filled, file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('element = "R"', ""), "own.toml: element has to be the name of the element that is one row"),
        (('element = "R"', 'element = "{urn:x}R"'), "own.toml: element has to be the name"),
        (
            ('element = "R"', 'elements = "R"'),
            "own.toml: unknown key 'elements'; known keys: element, columns,",
        ),
        (
            ("quantity", "number"),
            "own.toml, [columns]: unknown key 'number'; known keys: entitlement, quantity,",
        ),
        (('quantity = "q"\n', ""), "own.toml: [columns] does not say quantity; give its path or value"),
        (('"q"', '"//q"'), "own.toml: quantity = '//q' is neither a path nor a value; write quantity = "),
        (('"q"', '"@q/r"'), "own.toml: quantity = '@q/r' is neither a path nor a value"),
        (('"q"', "5"), "own.toml: quantity = 5 is neither a path nor a value"),
        (("[columns]", "columns = 1\n[words]"), "own.toml: 'columns' is not a table; write [columns]"),
        (('"d"', '"d"\n[words]\nmetric = 1'), "own.toml: [words.metric] is not a table of texts"),
        (('"d"', '"d"\n[words.cost]\na = "b"'), "own.toml, [words]: unknown key 'cost'; known keys:"),
        (('"d"', '"d"\n[format]\ndates = 1'), 'own.toml: dates cannot be 1; write it as "iso" or'),
        (
            ('"d"', '"d"\n[format]\ndate = "iso"'),
            "own.toml, [format]: unknown key 'date'; known keys: dates,",
        ),
        (('"d"', '"d'), "own.toml is not TOML that can be read:"),
    ],
)
def test_a_mapping_that_means_nothing_is_refused(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OF_ONE.replace(*change))
    with pytest.raises(Problem) as refused:
        element_mapping(
            path, ("entitlement", "quantity"), ("product", "product_name", "vendor", "metric", "valid_from")
        )
    assert str(refused.value).startswith(message)


def test_a_mapping_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"There is no mapping .*none.toml that can be read"):
        element_mapping(tmp_path / "none.toml", (), ())


TREES = st.recursive(
    st.builds(
        "<{0}>{1}</{0}>".format, st.sampled_from("RqdL"), st.sampled_from(["", "5", "2026-01-01", "x"])
    ),
    lambda inner: st.builds("<{0}>{1}</{0}>".format, st.sampled_from("RqdL"), st.lists(inner).map("".join)),
    max_leaves=12,
)


@given(text=TREES | st.text(max_size=40) | st.text("<>/&;!?-[]RqD ='", max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path: Path, text: str) -> None:
    toml, file = tmp_path / "own.toml", tmp_path / "right.xml"
    toml.write_text(OF_ONE.replace('"@i"', '"."'))
    file.write_text(text, encoding="utf-8")
    columns = ("entitlement", "product", "product_name", "vendor", "metric", "quantity", "valid_from")
    with suppress(Problem):
        rows = read_elements(file, element_mapping(toml, columns, ()))
        assert [row.number for row in rows] == list(range(1, len(rows) + 1))
        assert all(set(row.cells) == set(columns) and all(row.cells.values()) for row in rows)
        assert parsed(file).around is None
