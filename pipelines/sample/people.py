"""Who works at Meridian Engineering, where, on which machine, with which habits. All of it invented."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from pipelines.sample.calendars import OFFICES, Office
from pipelines.sample.plan import Plan, add_months

DEPARTMENTS = {
    "ARC": "Architecture and BIM",
    "CIV": "Civil Engineering",
    "STR": "Structures",
    "SIM": "Simulation",
    "GEO": "GIS and Environment",
    "PMO": "Project Management",
    "ADM": "Administration",
}
DEPARTMENT_ID = {code: place for place, code in enumerate(DEPARTMENTS, start=1)}

ROSTER = {
    "BOS": """
        ARC Amelia Hartwell, Owen Castellan, Priscilla Dunmore, Jonah Fairbrook, Tessa Lindqvist,
            Marcus Oyelaran, Beatrice Soto, Wendell Achterberg, Ivy Castaneda, Rufus Pemberton*
        CIV Daniel Okonjo, Lucille Varga, Simon Thackeray, Noemi Escobar, Howard Brandvold, Celeste Amaro,
            Vincent Halloran, Paige Mirza*
        STR Gideon Marsh, Alma Petrosyan, Curtis Vandermeer, Judith Olin, Felix Aranda, Harriet Nakamura,
            Leo Quist
        SIM Ruth Abernathy, Pavel Doroshenko, Nadia Ferrante, Emmett Kowalczyk, Sylvia Tran
        GEO Clara Whitcombe, Isaac Bellamy, Maren Toft, Dorian Alvarado*
        PMO Eleanor Strand, Victor Lamont, Rosalind Chey, Tobias Wren, Gloria Entwistle
        ADM Marjorie Plum, Stanley Iverson, Denise Calloway""",
    "LON": """
        ARC Oliver Penhallow, Freya Blackwood, Rahul Sandhu, Imogen Carrow, Dylan Prothero, Zara Whitlock,
            Hugh Merriden*
        CIV Edmund Farleigh, Poppy Ashdown, Kwame Mensah-Boyd, Linnea Crosbie, Gareth Tolland
        STR Isobel Rennick, Callum Strathie, Anjali Verghese, Rupert Oakshott, Bronwen Pryce*
        SIM Tamsin Holloway, Lorcan Devane
        GEO Marigold Fenn, Jasper Lockyer, Aisha Durrant
        PMO Philippa Grange, Desmond Akintola, Cecily Thorne, Alistair Munro
        ADM Winifred Sayer, Nigel Bosworth""",
    "MUC": """
        ARC Lukas Achleitner, Johanna Brunnthaler, Sebastian Kreil, Magdalena Ostertag, Florian Zirngibl
        CIV Katharina Moosburger, Tobias Haslinger, Franziska Engelbrecht, Emil Wackernagel*
        STR Maximilian Rohrbach, Annika Seelos, Benedikt Huber-Lanz, Theresa Vogtmann, Jonas Pfannenstiel
        SIM Friederike Aumann, Korbinian Dressel, Lena Stadlmayr, Moritz Ehrenfeld*
        GEO Veronika Altmann, Dominik Scharnagl, Paula Rettenberger
        PMO Ulrike Hohenadl, Stefan Kirchleitner, Carolin Wiesinger
        ADM Gerlinde Obermair, Alois Taubner""",
    "BLR": """
        ARC Ananya Raghunath, Vikram Shettigar, Meera Kalyanpur, Arjun Devadiga, Kavya Nambiar,
            Rohan Belavadi*
        CIV Sneha Mudaliar, Karthik Hegdekatte, Divya Sannappa, Nikhil Ranganna
        STR Pooja Vishweshwar, Aditya Kudremukh, Lakshmi Tirumale, Suresh Panambur, Farah Qadri*
        SIM Varun Basavanna, Ishita Chandavarkar, Prakash Uppinangady
        GEO Deepa Manjunathan
        PMO Harish Venkatagiri, Nandini Sirsikar
        ADM Geetha Bhagavan""",
    "SYD": """
        ARC Charlotte Winmalee, Angus Tarrawarra, Minh Anh Nguyen-Ford
        CIV Bridget Callaghan, Jarrah Coolidge, Lachlan Merrigan
        STR Sienna Barrow, Heath Dunstanville
        GEO Kirra Waverton, Flynn Abercrombie, Matilda Yarrow*
        PMO Bronte Eastaughffe, Reuben Calder
        ADM Daphne Illawarra""",
}
"""Names by office and department; a star marks a contractor."""

COST_CENTER = {code: f"CC-{number}" for code, number in zip(DEPARTMENTS, range(210, 280, 10), strict=True)}
TERMINAL_SERVER = "muc-ts-01"
PLOT_HOST = "bos-ws-901"
SHARED_ACCOUNT = "meridian\\plotroom"
UNKNOWN_ACCOUNT = "meridian\\svc-batch7"

LAPTOP_SHARE = {
    "PLOT": 0.0,
    "BATCH": 0.0,
    "ARC": 0.2,
    "CIV": 0.45,
    "STR": 0.3,
    "SIM": 0.0,
    "GEO": 0.5,
    "PMO": 0.95,
    "ADM": 0.5,
}
PILOT = {"MUC": 8, "LON": 4}
"""How many people of which office were metered from the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person with habits.

    Minutes are local ones of the day; `free_weekday` is a part-timer's, 1 for Monday.
    """

    id: int
    code: str
    name: str
    office: Office
    department: str
    contractor: bool
    laptop: bool
    host: str
    pilot: bool
    valid_from: date
    valid_to: date | None
    metered_from: date
    arrival_minute: int
    presence_minutes: int
    free_weekday: int
    left_open_share: float
    evening_share: float
    metered_share: float
    given_account: str = ""

    @property
    def account(self) -> str:
        """Name of the operating-system account."""
        if self.given_account:
            return self.given_account
        first, *_, last = self.name.lower().split()
        return f"meridian\\{first[0]}{last.replace('-', '')}"

    @property
    def remote(self) -> bool:
        """Whether this person's GIS runs on the terminal server."""
        return self.department == "GEO" and self.laptop


def people(plan: Plan) -> list[Person]:
    """Return the first `plan.people` of everybody, in the order of their ids."""
    everybody = [
        _person(plan, number, office, department, name)
        for number, (office, department, name) in enumerate(_roster(), start=1)
    ]
    kept = sorted(everybody, key=lambda person: _rank(everybody, person))[: plan.people]
    kept.sort(key=lambda person: person.id)
    pilots = _pilots(kept)
    start = {True: plan.start, False: plan.rollout}
    return [
        replace(p, id=number, pilot=p.id in pilots, metered_from=max(p.valid_from, start[p.id in pilots]))
        for number, p in enumerate(kept, start=1)
    ]


def _roster() -> list[tuple[Office, str, str]]:
    rows = []
    for office in OFFICES:
        _, *parts = re.split(r"\b([A-Z]{3})\b", ROSTER[office.code])
        for department, names in zip(parts[::2], parts[1::2], strict=True):
            rows += [(office, department, " ".join(name.split())) for name in names.split(",")]
    return rows


def _rank(everybody: list[Person], person: Person) -> tuple[int, int]:
    """Place of a person among those of the same office and department: a small sample has some of each."""
    alike = [p.id for p in everybody if (p.office, p.department) == (person.office, person.department)]
    return alike.index(person.id), person.id


def _pilots(kept: list[Person]) -> set[int]:
    found: set[int] = set()
    for office, number in PILOT.items():
        found.update([p.id for p in kept if p.office.code == office and not p.contractor][:number])
    return found


def _person(plan: Plan, number: int, office: Office, department: str, marked: str) -> Person:
    random = np.random.default_rng([plan.seed, number])
    contractor = marked.endswith("*")
    laptop = bool(random.random() < LAPTOP_SHARE[department])
    free = int(random.integers(1, 6)) if random.random() < 0.09 else 0
    valid_from, valid_to = _validity(plan, random, contractor)
    return Person(
        id=number,
        code=f"{'C' if contractor else 'E'}{1000 + number}",
        name=marked.rstrip("*"),
        office=office,
        department=department,
        contractor=contractor,
        laptop=laptop,
        host=f"{office.code}-{'LT' if laptop else 'WS'}-{number:03}".lower(),
        pilot=False,
        valid_from=valid_from,
        valid_to=valid_to,
        metered_from=valid_from,
        arrival_minute=office.opens_minute + int(random.normal(-5, 28)),
        presence_minutes=int(random.normal(525, 22)) - (60 if free else 0),
        free_weekday=free,
        left_open_share=float(random.choice([0.0, 0.03, 0.1, 0.45], p=[0.5, 0.3, 0.15, 0.05])),
        evening_share=0.16 if laptop else 0.0,
        metered_share=float(random.normal(1.0, 0.12)),
    )


def _validity(plan: Plan, random: np.random.Generator, contractor: bool) -> tuple[date, date | None]:
    """Contractors stay for some months; now and then an employee comes or goes."""
    draw, month = random.random(), int(random.integers(1, 11))
    hired = add_months(plan.start, -int(random.integers(1, 140)))
    if contractor:
        first = add_months(plan.month, -int(random.integers(2, 12)))
        last = add_months(first, int(random.integers(5, 10)))
        return first, last if last <= plan.today else None
    if draw < 0.06:
        return add_months(plan.month, -month), None
    if draw < 0.10:
        return hired, add_months(plan.month, -month)
    return hired, None


def strangers(plan: Plan, staff: list[Person]) -> list[Person]:
    """Return who works but is nobody in the directory: the plot room's shared account, and an unknown one."""
    boston, munich = OFFICES[0], OFFICES[2]
    plot = _person(plan, len(staff) + 1, boston, "PLOT", "Plot Room")
    batch = _person(plan, len(staff) + 2, munich, "BATCH", "Batch Service")
    return [
        replace(plot, metered_from=plan.rollout, host=PLOT_HOST, given_account=SHARED_ACCOUNT),
        replace(batch, metered_from=plan.rollout, host=TERMINAL_SERVER, given_account=UNKNOWN_ACCOUNT),
    ]
