"""Recognizing an application: every given field has to match, without regard to case."""

import pytest

from collector.agent.signatures import Features, Names, fits, recognize
from collector.protocol import MonitoredApplication, Signature

CAD = Features(
    path="/opt/CAD/bin/Cad-2026",
    name="Cad-2026",
    arguments="--open plan.dwg",
    parent_path="/opt/CAD/bin/launcher",
    parent_name="launcher",
    window_classes=frozenset({"cad", "CadMain"}),
)


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (Signature(executable="cad-2026"), True),
        (Signature(executable="CAD-*"), True),
        (Signature(executable="cad"), False),
        (Signature(executable="/opt/*/cad-*"), True),
        (Signature(executable="/usr/*"), False),
        (Signature(executable="cad-*", arguments="*--open*"), True),
        (Signature(executable="cad-*", arguments="--open"), False),
        (Signature(executable="cad-*", window_class="cadmain"), True),
        (Signature(executable="cad-*", window_class="viewer"), False),
        (Signature(executable="cad-*", parent="launcher"), True),
        (Signature(executable="cad-*", parent="/opt/cad/*"), True),
        (Signature(executable="cad-*", parent="bash"), False),
        (Signature(executable="cad-*", arguments="*--open*", parent="bash"), False),
    ],
)
def test_a_signature_asks_for_all_it_names(signature: Signature, expected: bool) -> None:
    assert fits(signature, CAD) is expected
    if expected:
        assert Names([MonitoredApplication(code="a", name="A", signatures=(signature,))]).bears(CAD)


def test_a_windows_path_is_read_like_any_other() -> None:
    features = Features(path="C:\\Program Files\\Cad\\CAD.EXE", name="")
    assert fits(Signature(executable="cad.exe"), features)
    assert fits(Signature(executable="C:\\Program Files\\*\\cad.exe"), features)


def test_an_executable_that_was_replaced_while_it_runs_keeps_its_name() -> None:
    assert fits(Signature(executable="cad"), Features(path="/opt/cad (deleted)", name="x"))


def test_a_script_is_known_by_its_own_name() -> None:
    assert fits(Signature(executable="solver"), Features(path="/usr/bin/python3.11", name="solver"))


def test_the_first_application_that_fits_wins() -> None:
    def application(code: str, *signatures: Signature) -> MonitoredApplication:
        return MonitoredApplication(code=code, name=code, signatures=signatures)

    policy = (
        application("viewer", Signature(executable="cad-*", arguments="*--view*")),
        application("cad", Signature(executable="other"), Signature(executable="cad-*")),
    )
    assert recognize(CAD, policy) == "cad"
    assert Names(policy[:1]).bears(CAD), "by name it could be the viewer"
    assert not Names([application("x", Signature(executable="x"), Signature(executable="/x"))]).bears(CAD)
    assert not Names(()).bears(Features(path="", name=""))
    assert recognize(CAD, policy[:1]) is None
