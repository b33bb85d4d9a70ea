import numpy as np
import pytest

from tests.fakes.walks import table
from triagebot.attribution.weekdays import weekday_columns

DAY = 86400.0


@pytest.mark.parametrize(("mondays", "found"), [((0, 1, 2), 1), ((2,), 0), ((), 0), ((1, 2), 0)])
def test_a_weekday_that_is_like_this_every_week_is_taken_out_and_a_step_of_today_is_not(mondays, found):
    """21 days from a Monday on. A single Monday before today's is not every week."""
    rng, monday = np.random.default_rng(7), 4 * DAY
    at = np.sort(monday + rng.uniform(0, 21.5 * DAY, 5000))
    day = ((at - monday) // DAY).astype(int)
    slow = np.isin(day, [7 * week for week in mondays] + [21])
    columns = weekday_columns(table(at, {}, {"llm_ms": rng.lognormal(7, 0.4, at.size) * np.where(slow, 1.6, 1.0)}))
    assert len(columns) == found
    for column in columns:
        assert np.array_equal(column == 1.0, day % 7 == 0)
