"""The attention table of semantics, section 1: literal samples in, literal segments out, in seconds."""

from desk import Desk, running


def test_typing_without_long_pauses_is_one_input_segment() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 30, typing=True)
    desk.at(31, instances=())
    desk.at(36)
    assert desk.segments() == [(0, 31, "input", 0)]


def test_a_gap_of_the_floor_is_no_input_back_dated_to_the_last_input() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 20, typing=True)
    desk.every_second(21, 100)
    desk.at(101, instances=())
    desk.at(106)
    assert desk.segments() == [(0, 20, "input", 0), (20, 101, "no_input", 20)]


def test_a_gap_under_the_floor_stays_input() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 59)
    desk.at(59.9, input=59.5)
    desk.at(60, instances=())
    desk.at(65)
    assert desk.segments() == [(0, 60, "input", 0)]


def test_the_application_without_the_focus_is_in_the_background() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 10, typing=True)
    desk.every_second(11, 20, typing=True, focus_pid=77)
    desk.at(21, instances=())
    desk.at(26)
    assert desk.segments() == [(0, 11, "input", 0), (11, 21, "background", 10)]


def test_a_locked_screen_is_locked_whoever_has_the_focus() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 10, typing=True)
    desk.every_second(11, 200, locked=True)
    desk.every_second(201, 210, typing=True, locked=False)
    desk.at(211, instances=())
    desk.at(216)
    assert desk.segments() == [(0, 11, "input", 0), (11, 201, "locked", 10), (201, 211, "input", 201)]


def test_a_detached_remote_session_is_disconnected() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.at(5, disconnected=True)
    desk.at(10, instances=())
    desk.at(15)
    assert desk.segments() == [(0, 5, "input", 0), (5, 10, "disconnected", 0)]


def test_sleep_is_the_jump_of_boot_time_over_monotonic_time() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 10, typing=True)
    desk.slept = 300
    desk.at(311)  # awake for one second of it
    desk.at(312, instances=())
    desk.at(317)
    assert desk.segments() == [
        (0, 11, "input", 0),
        (11, 311, "suspended", 10),
        (311, 312, "no_input", 10),
    ]


def test_a_jump_of_two_seconds_is_no_sleep() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.slept = 2
    desk.at(3, input=3)
    desk.at(4, instances=())
    desk.at(9)
    assert desk.segments() == [(0, 4, "input", 0)]


def test_without_a_sensor_a_session_is_held() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), sees_focus=False, sees_input=False, last_input_ms=None)
    desk.at(5)
    desk.at(10, instances=())
    desk.at(15)
    assert desk.segments() == [(0, 10, "held", 0)]


def test_without_a_sensor_for_input_the_focus_alone_says_nothing() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, sees_input=False, last_input_ms=None)
    desk.at(10, instances=())
    desk.at(15)
    assert desk.segments() == [(0, 10, "held", 0)]


def test_what_started_before_the_agent_is_unobserved_until_the_first_sample() -> None:
    desk = Desk()
    desk.at(100, instances=running(10, since=0), focus_pid=10, input=99)
    desk.at(105, instances=(), input=104)
    desk.at(110)
    assert desk.segments() == [(0, 100, "unobserved", 0), (100, 105, "input", 0)]
    assert desk.sessions()[0].started_ms == desk.sessions()[-1].started_ms


def test_a_process_is_in_the_background_from_its_start_until_it_is_seen_with_the_focus() -> None:
    desk = Desk()
    desk.at(0, focus_pid=77, input=0)
    desk.at(1, instances=running(10, since=0.4), focus_pid=10)
    desk.at(2, input=2)
    desk.at(3, instances=())
    desk.at(8)
    assert desk.segments() == [(0.4, 1, "background", 0.4), (1, 3, "input", 0.4)]


def test_a_pause_of_the_agent_longer_than_the_floor_is_unobserved() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.at(1, input=1)
    desk.at(90, input=89.5)
    desk.at(91, instances=(), input=90.5)
    desk.at(96)
    assert desk.segments() == [(0, 1, "input", 0), (1, 90, "unobserved", 1), (90, 91, "input", 89.5)]


def test_the_process_with_the_focus_is_the_instance() -> None:
    desk = Desk()
    desk.at(0, instances=running(10, 11), focus_pid=10, input=0)
    desk.at(5, focus_pid=11, input=5)
    desk.at(9, focus_pid=77, input=9)
    desk.at(12, instances=())
    desk.at(17)
    rows = [r for r in desk.records if r.kind == "segment"]
    assert [(r.attention, r.instance) for r in rows] == [("input", 10), ("input", 11), ("background", None)]
    assert desk.sessions()[-1].instance_count == 2


def test_a_keep_awake_request_is_told_and_cuts() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=77, input=0)
    desk.at(5, inhibiting=frozenset({10}))
    desk.at(10, instances=())
    desk.at(15)
    rows = [r for r in desk.records if r.kind == "segment"]
    assert [(r.end_ms - r.start_ms, r.inhibiting) for r in rows] == [(5000, False), (5000, True)]
