from triagebot.domain.withheld import shown_label, shown_slice


def test_who_somebody_is_is_a_mark_that_stays_the_same():
    assert shown_label("user", "u-1") == shown_label("user", "u-1") != shown_label("user", "u-2")
    assert shown_label("user", "u-1").startswith("#")
    assert shown_label("region", "eu") == "eu"
    assert shown_label("user", "") == ""


def test_a_slice_reads_as_people_say_it():
    assert shown_slice({}) == ""
    assert shown_slice({"route": "/chat", "region": "eu"}) == "region eu, route /chat"
    assert shown_slice({"input_kind": "#c7f1"}) == "inputs that begin alike #c7f1"
