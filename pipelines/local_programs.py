"""Common desktop programs, and which of them are on this machine: what a trial can meter at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch

import psutil


@dataclass(frozen=True, slots=True)
class Program:
    """One desktop program.

    `executables` are the file names of its processes, as globs; `commands` are names under which it is
    installed, where they differ.
    """

    code: str
    name: str
    executables: tuple[str, ...]
    commands: tuple[str, ...] = ()


PROGRAMS = (
    Program("xterm", "XTerm", ("xterm",)),
    Program("gnome-terminal", "GNOME Terminal", ("gnome-terminal-*",), ("gnome-terminal",)),
    Program("konsole", "Konsole", ("konsole",)),
    Program("xfce-terminal", "Xfce Terminal", ("xfce4-terminal",)),
    Program("alacritty", "Alacritty", ("alacritty",)),
    Program("kitty", "kitty", ("kitty",)),
    Program("windows-terminal", "Windows Terminal", ("windowsterminal.exe",), ("wt.exe",)),
    Program("macos-terminal", "Terminal", ("terminal",)),
    Program("mousepad", "Mousepad", ("mousepad",)),
    Program("l3afpad", "L3afpad", ("l3afpad",)),
    Program("gedit", "gedit", ("gedit",)),
    Program("gnome-text-editor", "GNOME Text Editor", ("gnome-text-editor",)),
    Program("kate", "Kate", ("kate",)),
    Program("vim", "Vim", ("vim", "vim.*", "nvim", "gvim"), ("vim", "nvim")),
    Program("emacs", "Emacs", ("emacs", "emacs-*")),
    Program("nano", "nano", ("nano",)),
    Program("visual-studio-code", "Visual Studio Code", ("code", "code.exe")),
    Program("notepad", "Notepad", ("notepad.exe",)),
    Program("textedit", "TextEdit", ("textedit",)),
    Program("firefox", "Firefox", ("firefox", "firefox-esr", "firefox.exe"), ("firefox", "firefox-esr")),
    Program("chromium", "Chromium", ("chromium", "chromium-browser"), ("chromium", "chromium-browser")),
    Program("chrome", "Google Chrome", ("chrome", "chrome.exe", "google chrome"), ("google-chrome",)),
    Program("edge", "Microsoft Edge", ("msedge", "msedge.exe", "microsoft edge"), ("microsoft-edge",)),
    Program("safari", "Safari", ("safari",)),
    Program("libreoffice", "LibreOffice", ("soffice.bin", "soffice"), ("soffice", "libreoffice")),
    Program("word", "Microsoft Word", ("winword.exe", "microsoft word")),
    Program("excel", "Microsoft Excel", ("excel.exe", "microsoft excel")),
    Program("evince", "Document Viewer", ("evince",)),
    Program("okular", "Okular", ("okular",)),
    Program("gimp", "GIMP", ("gimp", "gimp-*"), ("gimp",)),
    Program("inkscape", "Inkscape", ("inkscape",)),
    Program("freecad", "FreeCAD", ("freecad", "freecad.exe")),
    Program("qgis", "QGIS", ("qgis", "qgis.bin", "qgis-bin.exe")),
    Program("blender", "Blender", ("blender", "blender.exe")),
)
"""Neither Python nor a shell is one: the demo itself would be metered."""


def found_here() -> list[Program]:
    """Return the programs that run on this machine now or are installed on it."""
    return matching(running_names(), installed_names())


def matching(running: Iterable[str], installed: Iterable[str]) -> list[Program]:
    """Return the programs of which a process runs or a command is installed.

    Parameters
    ----------
    running
        File names of executables of processes.
    installed
        Names of commands.
    """
    names, commands = {name.lower() for name in running}, set(installed)
    return [
        program
        for program in PROGRAMS
        if commands.intersection(_commands(program))
        or any(fnmatch(name, pattern) for name in names for pattern in program.executables)
    ]


def _commands(program: Program) -> tuple[str, ...]:
    return program.commands or program.executables


def running_names() -> set[str]:
    """Return the names of all processes that this account can see."""
    return {process.info["name"] for process in psutil.process_iter(["name"]) if process.info["name"]}


def installed_names() -> set[str]:
    """Return which of the programs' commands are on the search path."""
    return {command for program in PROGRAMS for command in _commands(program) if shutil.which(command)}
