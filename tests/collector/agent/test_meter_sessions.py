"""Sessions: grace, counts, identity, quarters, CPU, clocks, watch intervals, projects, presence, restarts."""

from itertools import pairwise

from desk import BOOT, NINE, Desk, drawing, project, running

from collector.agent.sample import Identity
from collector.protocol import CollectionPolicy, ProjectRecord, SegmentRecord, WatchRecord

# --- Beginning and end -------------------------------------------------------------------------------------


def test_a_session_opens_at_the_true_start_of_its_process() -> None:
    desk = Desk()
    desk.at(0)
    (opened,) = desk.at(1, instances=running(10, since=0.35))
    assert (opened.kind, opened.state, opened.started_ms) == ("session", "open", NINE + 350)
    assert (opened.application, opened.account, opened.zone) == ("editor", "ana", "Europe/Berlin")
    assert (opened.pid, opened.start_ticks, opened.boot_id) == (10, BOOT // 10 + 35, "boot-1")


def test_a_launch_after_the_last_search_was_watched_from_its_start_though_it_is_found_two_samples_later() -> (
    None
):
    desk = Desk()
    desk.at(0)
    desk.at(1)
    desk.at(2, instances=running(10, since=0.99), searched_ms=BOOT + 990, focus_pid=77)
    desk.at(3, instances=())
    desk.at(8)
    assert desk.segments() == [(0.99, 3, "background", 0.99)]


def test_what_was_there_at_the_last_search_is_unobserved_until_it_is_recognized() -> None:
    desk = Desk()
    desk.at(0)
    desk.at(1)
    desk.at(2, instances=running(10, since=0.98), searched_ms=BOOT + 990, focus_pid=77)
    desk.at(3, instances=())
    desk.at(8)
    assert desk.segments() == [(0.98, 1, "unobserved", 0.98), (1, 3, "background", 0.98)]


def test_a_launch_right_after_the_first_sample_was_watched_though_the_system_counts_starts_in_ticks() -> None:
    desk = Desk()
    desk.at(0.007)
    desk.at(1, instances=running(10, since=0), searched_ms=BOOT, focus_pid=77)
    desk.at(3, instances=())
    desk.at(8)
    assert desk.segments() == [(0, 3, "background", 0)]


def test_a_launch_before_a_sleep_that_is_found_after_it_is_not_taken_as_watched() -> None:
    desk = Desk()
    desk.at(0)
    desk.slept = 60
    desk.at(61)
    desk.at(62, instances=running(10, since=0.5), searched_ms=BOOT + 100, focus_pid=77)
    desk.at(63, instances=())
    desk.at(68)
    assert desk.segments() == [(0.5, 61, "unobserved", 0.5), (61, 63, "background", 0.5)]


def test_a_session_closes_at_the_exit_five_seconds_later() -> None:
    desk = Desk()
    desk.at(0, instances=running(10))
    gone = running(10)[0].identity
    assert desk.at(2, instances=(), exits={gone: BOOT + 1300}) == []
    assert desk.at(6.2) == []
    desk.at(6.3)
    closed = desk.sessions()[-1]
    assert (closed.state, closed.ended_ms, closed.end_uncertainty_ms) == ("closed", NINE + 1300, 0)


def test_an_exit_before_the_last_sample_ends_the_session_at_that_sample() -> None:
    desk = Desk()
    desk.at(0, instances=running(10))
    desk.at(2, instances=running(10))
    desk.at(3, instances=(), exits={running(10)[0].identity: BOOT + 1999})
    desk.at(8)
    assert desk.sessions()[-1].ended_ms == NINE + 2000


def test_a_launcher_that_restarts_itself_within_five_seconds_is_one_session() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.at(1, instances=(), focus_pid=None)
    desk.at(4)
    desk.at(5, instances=running(11, since=4.5), focus_pid=11)
    desk.at(6, instances=(), input=6)
    desk.at(11)
    assert desk.segments() == [(0, 1, "input", 0), (1, 5, "background", 0), (5, 6, "input", 0)]
    assert {record.session for record in desk.sessions()} == {f"{1:032x}"}
    assert desk.sessions()[-1].ended_ms == NINE + 6000


def test_a_launch_after_five_seconds_is_a_new_session() -> None:
    desk = Desk()
    desk.at(0, instances=running(10))
    desk.at(1, instances=())
    desk.at(7, instances=running(11, since=6.5))
    assert [(r.state, r.session[-1]) for r in desk.sessions()] == [
        ("open", "1"),
        ("closed", "1"),
        ("open", "2"),
    ]


def test_a_session_of_zero_length_has_no_segments() -> None:
    desk = Desk()
    desk.at(0)
    desk.at(1, instances=running(10, since=1))
    desk.at(1.5, instances=(), exits={running(10, since=1)[0].identity: BOOT + 1000})
    desk.at(6)
    assert [(r.state, r.ended_ms) for r in desk.sessions()] == [("open", None), ("closed", NINE + 1000)]
    assert desk.segments() == []


def test_further_processes_are_counted_and_told_once() -> None:
    desk = Desk()
    desk.at(0, instances=running(10))
    desk.at(1, instances=running(10, 11, 12))
    desk.at(2, instances=running(10))
    desk.at(3, instances=running(10, 13))
    assert [record.instance_count for record in desk.sessions()] == [1, 3]


def test_a_pid_that_is_used_again_is_another_process() -> None:
    desk = Desk()
    desk.at(0, instances=running(10, ticks=1))
    desk.at(20, instances=running(10, since=19, ticks=2), exits={Identity(10, 1): BOOT + 1000})
    assert [(r.state, r.start_ticks) for r in desk.sessions()] == [("open", 1), ("closed", 1), ("open", 2)]


def test_two_applications_are_two_sessions() -> None:
    desk = Desk()
    desk.at(0, instances=running(10) + running(20, code="cad"), focus_pid=20, input=0)
    desk.at(1, instances=())
    desk.at(6)
    rows = [(r.session[-1], r.attention) for r in desk.records if isinstance(r, SegmentRecord)]
    assert rows == [("1", "background"), ("2", "input")]


# --- Cuts --------------------------------------------------------------------------------------------------


def test_segments_are_cut_at_utc_quarters() -> None:
    desk = Desk()
    desk.at(890, instances=running(10, since=890), focus_pid=77)
    desk.every_second(891, 1810)
    desk.at(1811, instances=())
    desk.at(1816)
    assert [(start, end) for start, end, *_ in desk.segments()] == [(890, 900), (900, 1800), (1800, 1811)]


def test_a_segment_that_a_quarter_ends_is_closed_with_its_minute() -> None:
    desk = Desk()
    desk.at(890, instances=running(10, since=890), focus_pid=77)
    desk.every_second(891, 899)
    assert [record.kind for record in desk.at(900)] == ["segment", "watch"]


def test_a_minute_whose_mean_cpu_crosses_five_or_fifty_percent_cuts_at_its_start() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=77)
    percent = [0, 4.9, 5, 49, 50, 80, 10]
    for second in range(1, 421):
        desk.at(second, cpu=10 * percent[(second - 1) // 60])
    desk.at(421, instances=())
    desk.at(426)
    rows = [r for r in desk.records if isinstance(r, SegmentRecord)]
    # The last second, without use, is a minute of its own mean.
    assert [((r.start_ms - NINE) // 1000, r.cpu_percent) for r in rows] == [
        (0, 2.45),
        (120, 27),
        (240, 65),
        (360, 10),
        (420, 0),
    ]


def test_the_mean_of_a_minute_decides_not_its_parts() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=77)
    for second in range(1, 121):
        desk.at(second, cpu=1000 if second == 30 else 0)  # one second at 100 %: 1.7 % of its minute
    desk.at(121, instances=())
    desk.at(126)
    assert [row[:2] for row in desk.segments()] == [(0, 121)]


def test_a_new_policy_version_cuts_and_is_stamped() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=77)
    desk.at(10)
    desk.policy = CollectionPolicy(version=2, applications=desk.policy.applications)
    desk.at(20)
    desk.at(21, instances=())
    desk.at(26)
    rows = [r for r in desk.records if isinstance(r, SegmentRecord)]
    assert [(r.end_ms - NINE, r.policy_version) for r in rows] == [(10_000, 1), (21_000, 2)]


def test_every_segment_is_delivered_within_a_minute_of_its_end() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    for second in range(1, 600):
        decided = desk.at(second, focus_pid=10 if second // 7 % 2 else 77, input=second - second % 5)
        assert all(NINE + second * 1000 - r.end_ms <= 60_000 for r in decided if r.kind == "segment")


# --- Clocks ------------------------------------------------------------------------------------------------


def test_a_step_of_the_wall_clock_moves_nothing_and_is_flagged() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 10, typing=True)
    desk.wall_shift = 3600
    desk.every_second(11, 20, typing=True)
    desk.at(21, instances=())
    desk.at(26)
    assert desk.segments() == [(0, 21, "input", 0)]
    assert [(r.state, r.clock_stepped) for r in desk.sessions()] == [
        ("open", False),
        ("open", True),
        ("closed", True),
    ]
    assert desk.sessions()[-1].ended_ms == NINE + 21_000


def test_a_session_that_starts_after_the_step_stands_on_the_new_clock() -> None:
    desk = Desk()
    desk.at(0)
    desk.wall_shift = 3600
    desk.at(1, instances=running(10, since=0.5))
    assert desk.sessions()[0].started_ms == NINE + 3_600_500
    assert desk.sessions()[0].clock_stepped is False


# --- Watch intervals ---------------------------------------------------------------------------------------


def _watched(desk: Desk) -> list[tuple[float, float, bool, bool, bool]]:
    return [
        ((r.start_ms - NINE) / 1000, (r.end_ms - NINE) / 1000, r.sees_focus, r.sees_input, r.sees_lock)
        for r in desk.records
        if isinstance(r, WatchRecord)
    ]


def test_the_watch_is_told_without_any_listed_application_and_cut_at_quarters() -> None:
    desk = Desk()
    desk.every_second(10, 1000)
    desk.records += desk.meter.stop()
    assert _watched(desk) == [(10, 900, True, True, True), (900, 1000, True, True, True)]


def test_what_the_sensors_see_cuts_the_watch() -> None:
    desk = Desk()
    desk.every_second(0, 5)
    desk.every_second(6, 9, sees_lock=False)
    desk.records += desk.meter.stop()
    assert _watched(desk) == [(0, 6, True, True, True), (6, 9, True, True, False)]


def test_nobody_watches_while_the_machine_sleeps_or_the_agent_stalls() -> None:
    desk = Desk()
    desk.every_second(0, 5)
    desk.slept = 100
    desk.at(106)
    desk.at(107)
    desk.at(300)
    desk.at(301)
    desk.records += desk.meter.stop()
    assert [row[:2] for row in _watched(desk)] == [(0, 6), (106, 107), (300, 301)]


def test_a_step_of_the_wall_clock_starts_a_watch_on_the_new_clock() -> None:
    desk = Desk()
    desk.every_second(0, 5)
    desk.wall_shift = 7200
    desk.every_second(6, 8)
    desk.records += desk.meter.stop()
    assert [row[:2] for row in _watched(desk)] == [(0, 6), (7206, 7208)]


def test_a_killed_agent_watched_until_its_last_checkpoint() -> None:
    desk = Desk()
    desk.every_second(0, 5)
    desk.restart()
    desk.every_second(50, 55)
    desk.records += desk.meter.stop()
    assert [row[:2] for row in _watched(desk)] == [(0, 5), (50, 55)]


# --- Projects ----------------------------------------------------------------------------------------------


def _projects(desk: Desk) -> list[tuple[str, float]]:
    return [(r.project, (r.from_ms - NINE) / 1000) for r in desk.records if isinstance(r, ProjectRecord)]


def test_a_project_set_before_the_launch_holds_from_the_start() -> None:
    desk = Desk()
    desk.at(0, project=project("2026-001", -100))
    desk.at(11, instances=running(10, since=10.5))
    desk.at(12)
    assert _projects(desk) == [("2026-001", 10.5)]


def test_a_project_set_during_a_session_holds_from_then_on() -> None:
    desk = Desk()
    desk.at(0, instances=running(10))
    desk.at(10, project=project("2026-001", 9.4))
    desk.at(20, project=project("2026-002", 19.2))
    assert _projects(desk) == [("2026-001", 9.4), ("2026-002", 19.2)]


def test_an_application_that_is_not_billed_gets_no_project() -> None:
    desk = Desk()
    desk.policy = CollectionPolicy(version=1, applications=())
    desk.at(0, instances=running(10), project=project("2026-001", -1))
    assert _projects(desk) == []


def test_a_restart_does_not_state_the_project_again() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), project=project("2026-001", -1))
    desk.restart()
    desk.at(5)
    assert _projects(desk) == [("2026-001", 0)]


# --- Presence ----------------------------------------------------------------------------------------------


def _present(desk: Desk) -> list[tuple[str, float, float]]:
    return [
        (p.attention, (p.attention_since_ms - NINE) / 1000, (p.since_ms - NINE) / 1000)
        for p in desk.meter.presence()
    ]


def test_presence_says_at_once_what_segments_say_later() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 20, typing=True)
    assert _present(desk) == [("input", 0, 20)]
    desk.every_second(21, 79)
    assert _present(desk) == [("input", 0, 20)]
    desk.at(80)
    assert _present(desk) == [("no_input", 20, 20)]
    desk.at(81, focus_pid=77, input=81)
    assert _present(desk) == [("background", 81, 20)]
    desk.at(82, instances=())
    desk.at(87)
    assert _present(desk) == []


# --- Restarts ----------------------------------------------------------------------------------------------


def test_a_session_goes_on_after_a_kill_with_an_unobserved_hole() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 10, typing=True)
    desk.restart()
    desk.at(30, input=29)
    desk.every_second(31, 40, typing=True)
    desk.at(41, instances=())
    desk.at(46)
    assert desk.segments() == [(0, 10, "input", 0), (10, 30, "unobserved", 10), (30, 41, "input", 10)]
    assert len({record.session for record in desk.sessions()}) == 1


def test_a_process_that_vanished_meanwhile_ends_at_the_last_checkpoint() -> None:
    desk = Desk()
    desk.at(0, instances=running(10))
    desk.at(10)
    desk.restart()
    desk.at(100, instances=())
    closed = desk.sessions()[-1]
    assert (closed.state, closed.ended_ms, closed.end_uncertainty_ms) == ("closed", NINE + 10_000, 90_000)


def test_a_process_with_the_same_pid_after_a_restart_is_not_the_same_session() -> None:
    desk = Desk()
    desk.at(0, instances=running(10))
    desk.at(10)
    desk.restart(drawing(7))
    desk.at(100, instances=running(10, since=50))
    states = [(r.state, r.session[-1]) for r in desk.sessions()]
    assert states == [("open", "1"), ("closed", "1"), ("open", "7")]


def test_a_launch_right_after_a_checkpoint_does_not_revive_what_vanished_meanwhile() -> None:
    desk = Desk()
    desk.at(0, instances=running(10))
    desk.at(10)
    desk.restart(drawing(7))
    desk.at(100, instances=running(11, since=12))
    states = [(r.state, r.session[-1]) for r in desk.sessions()]
    assert states == [("open", "1"), ("closed", "1"), ("open", "7")]


def test_a_new_start_of_the_host_ends_every_session_at_its_last_checkpoint() -> None:
    desk = Desk()
    desk.at(0, instances=running(10))
    desk.at(10)
    desk.restart(drawing(7))
    desk.boot_id = "boot-2"
    # The host started 30 s after the checkpoint: its boot time begins anew.
    desk.wall_shift = (BOOT + 40_000) / 1000
    desk.at(60 - BOOT / 1000, instances=(), last_input_ms=None)
    closed = desk.sessions()[-1]
    assert (closed.state, closed.ended_ms) == ("closed", NINE + 10_000)
    assert closed.end_uncertainty_ms == 30_000


def test_a_launcher_that_restarts_itself_while_the_agent_does_is_one_session() -> None:
    desk = Desk()
    desk.at(0, instances=running(10))
    desk.at(2, instances=())
    desk.restart()
    desk.at(9, instances=running(11, since=6))
    desk.at(10, instances=())
    desk.at(15)
    assert desk.segments() == [(0, 2, "background", 0), (2, 9, "unobserved", 0), (9, 10, "background", 0)]
    assert len({record.session for record in desk.sessions()}) == 1


def test_a_session_in_its_grace_keeps_its_end_when_the_host_starts_anew() -> None:
    desk = Desk()
    desk.at(0, instances=running(10))
    desk.at(2, instances=())
    desk.restart()
    desk.boot_id = "boot-2"
    desk.wall_shift = (BOOT + 40_000) / 1000
    desk.at(60 - BOOT / 1000, last_input_ms=None)
    closed = desk.sessions()[-1]
    assert (closed.state, closed.ended_ms, closed.end_uncertainty_ms) == ("closed", NINE + 2000, 0)


def test_a_session_in_its_grace_survives_a_kill() -> None:
    desk = Desk()
    desk.at(0, instances=running(10))
    desk.at(2, instances=())
    desk.restart()
    desk.at(60)
    closed = desk.sessions()[-1]
    assert (closed.state, closed.ended_ms, closed.end_uncertainty_ms) == ("closed", NINE + 2000, 0)


def test_the_tiling_of_a_restless_hour_is_whole() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    for second in range(1, 3600):
        desk.at(
            second, focus_pid=(10, 77)[second // 97 % 2], input=second // 61 * 61, locked=second % 500 < 40
        )
    desk.at(3600, instances=())
    desk.at(3605)
    rows = desk.segments()
    assert rows[0][0] == 0
    assert rows[-1][1] == 3600
    assert all(before[1] == after[0] for before, after in pairwise(rows))
