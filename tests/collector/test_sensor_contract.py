"""Every file in sensors/ offers a sensor of the same names, and knows none of its siblings."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest

from collector.agent import sensors
from collector.agent.sensors import NoSensor, Sensor, Sight

FOLDER = Path(sensors.__file__).parent
DESKTOPS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def sensor_class(desktop: str) -> type[Sensor]:
    module = import_module(f"collector.agent.sensors.{desktop}")
    (found,) = (
        value
        for name, value in vars(module).items()
        if name.endswith("Sensor") and inspect.isclass(value) and value.__module__ == module.__name__
    )
    return found


def test_the_folder_holds_the_desktops_that_are_built() -> None:
    assert DESKTOPS == ["scripted", "x11"]


@pytest.mark.parametrize("desktop", DESKTOPS)
def test_a_sensor_offers_what_the_protocol_asks_for(desktop: str) -> None:
    offered = sensor_class(desktop)
    assert offered.name == desktop
    for name in ("look", "window_classes", "abort"):
        wanted = inspect.signature(getattr(Sensor, name))
        assert inspect.signature(getattr(offered, name)) == wanted


@pytest.mark.parametrize("desktop", DESKTOPS)
def test_a_desktop_knows_no_other(desktop: str) -> None:
    tree = ast.parse((FOLDER / f"{desktop}.py").read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    others = {f"collector.agent.sensors.{other}" for other in DESKTOPS if other != desktop}
    assert not imported & others


def test_a_sight_is_blind_unless_it_says_otherwise() -> None:
    sight = Sight()
    assert (sight.sees_focus, sight.sees_input, sight.sees_lock, sight.locked) == (False, False, False, False)


def test_without_a_sensor_the_reason_is_the_blind_spot() -> None:
    sensor = NoSensor("there is no display")
    assert sensor.look().blind_spots == ("there is no display",)
    assert sensor.window_classes() == {}
    sensor.abort()
