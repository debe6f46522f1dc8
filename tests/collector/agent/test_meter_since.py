"""`since`, and who gets an input around a change of focus (seconds from 09:00)."""

from desk import Desk, running


def test_a_single_key_stroke_in_a_long_silence_makes_two_gaps() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 99)
    desk.at(100, input=99.5)
    desk.every_second(101, 200)
    desk.at(201, instances=())
    desk.at(206)
    assert desk.segments() == [(0, 99.5, "no_input", 0), (99.5, 201, "no_input", 99.5)]


def test_an_input_less_than_a_second_before_the_focus_comes_counts_for_who_gets_it() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=77, input=-30)
    desk.at(2, focus_pid=10, input=1.2)
    desk.at(3, focus_pid=77)
    desk.at(4, instances=())
    desk.at(9)
    assert desk.segments() == [
        (0, 1.2, "background", 0),
        (1.2, 3, "input", 1.2),
        (3, 4, "background", 1.2),
    ]


def test_an_input_of_an_earlier_sample_counts_too_when_it_is_less_than_a_second_old() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=77, input=-30)
    desk.at(0.5, input=0.4)
    desk.at(1, focus_pid=10)
    desk.at(2, instances=())
    desk.at(7)
    assert desk.segments() == [(0, 1, "background", 0), (1, 2, "input", 0.4)]


def test_a_focus_that_comes_by_itself_is_no_input() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=77, input=-30)
    desk.at(2, focus_pid=10)
    desk.every_second(3, 40)
    desk.at(41, instances=())
    desk.at(46)
    # The gap since the last input, at -30, reaches 60 s at second 30: no_input from where the focus came.
    assert desk.segments() == [(0, 2, "background", 0), (2, 41, "no_input", 0)]


def test_the_click_that_takes_the_focus_away_is_no_input_of_who_loses_it() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 100)
    desk.at(101, focus_pid=77, input=100.7)
    desk.at(102, instances=())
    desk.at(107)
    assert desk.segments() == [(0, 100.7, "no_input", 0), (100.7, 102, "background", 0)]


def test_an_input_long_before_the_focus_goes_belongs_to_who_had_it() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.at(3, focus_pid=77, input=1)  # polls three seconds apart
    desk.at(5, instances=())
    desk.at(10)
    assert desk.segments() == [(0, 3, "input", 0), (3, 5, "background", 1)]


def test_focus_between_two_processes_of_one_session_keeps_its_gap() -> None:
    desk = Desk()
    desk.at(0, instances=running(10, 11), focus_pid=10, input=0)
    desk.every_second(1, 19)
    desk.every_second(20, 70, focus_pid=11)
    desk.at(71, instances=())
    desk.at(76)
    assert desk.segments() == [(0, 20, "no_input", 0), (20, 71, "no_input", 0)]


def test_typing_elsewhere_changes_nothing_in_the_background() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.at(1, input=1)
    desk.at(2, focus_pid=77, input=2)
    desk.every_second(3, 120, typing=True)
    desk.at(121, instances=())
    desk.at(126)
    assert desk.segments() == [(0, 2, "input", 0), (2, 121, "background", 1)]


def test_the_key_stroke_that_closes_the_application_is_its_last_input() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 80)
    desk.at(81, instances=(), focus_pid=77, input=80.5)
    desk.at(86)
    assert desk.segments() == [(0, 80.5, "no_input", 0), (80.5, 81, "input", 80.5)]


def test_the_launch_of_a_window_is_no_input() -> None:
    desk = Desk()
    desk.at(0, focus_pid=77, input=-100)
    desk.at(1, instances=running(10, since=0.5), focus_pid=10)
    desk.every_second(2, 10)
    desk.at(11, instances=())
    desk.at(16)
    assert desk.segments() == [(0.5, 1, "background", 0.5), (1, 11, "no_input", 0.5)]


def test_the_password_that_unlocks_the_screen_counts_for_who_gets_the_focus_back() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.at(1, locked=True)
    desk.at(299, input=298)
    desk.at(300, locked=False, input=299.6)
    desk.at(301, instances=())
    desk.at(306)
    assert desk.segments()[-1] == (299.6, 301, "input", 299.6)


def test_a_key_stroke_while_the_focus_moves_between_processes_of_one_session_ends_the_gap() -> None:
    desk = Desk()
    desk.at(0, instances=running(10, 11), focus_pid=10, input=0)
    desk.every_second(1, 19)
    desk.at(20, focus_pid=11, input=19.5)
    desk.every_second(21, 90)
    desk.at(91, instances=())
    desk.at(96)
    assert desk.segments() == [(0, 19.5, "input", 0), (19.5, 91, "no_input", 19.5)]


def test_the_key_stroke_that_wakes_the_machine_counts_for_who_has_the_focus() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.slept = 100
    desk.at(103, input=101.5)
    desk.at(104, instances=())
    desk.at(109)
    assert desk.segments() == [(0, 3, "input", 0), (3, 103, "suspended", 0), (103, 104, "input", 101.5)]


def test_an_input_while_nobody_watched_is_not_known_to_be_anybodys() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.at(100, input=90)
    desk.at(101, instances=())
    desk.at(106)
    assert desk.segments()[-1] == (100, 101, "input", 0)


def test_an_input_between_a_look_and_its_sample_is_not_missed() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 69)
    desk.at(70)
    desk.at(75, input=69.95)
    desk.at(76, instances=())
    desk.at(81)
    assert desk.segments() == [(0, 70.001, "no_input", 0), (70.001, 76, "input", 70.001)]


def test_an_older_input_that_was_not_seen_in_time_counts_from_when_it_is_seen() -> None:
    desk = Desk()
    desk.at(0, instances=running(10), focus_pid=10, input=0)
    desk.every_second(1, 70)
    desk.at(75, input=65)
    desk.at(76, instances=())
    desk.at(81)
    assert desk.segments() == [(0, 70, "no_input", 0), (70, 76, "input", 0)]
