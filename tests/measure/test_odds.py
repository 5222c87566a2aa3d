"""Which log odds are equal but for rounding."""

import numpy as np

from seqlab.measure.odds import TIE, log_odds, log_odds_of_logs, tied


def test_log_odds_of_logs_are_those_of_probabilities():
    shares = np.random.default_rng(0).random(50)
    np.testing.assert_allclose(log_odds_of_logs(np.log(shares)), log_odds(shares), rtol=1e-12)


def test_ties_do_not_depend_on_where_numbers_are():
    random = np.random.default_rng(1)
    distinct = np.cumsum(random.uniform(3 * TIE, 0.01, 500)) - 2
    which = random.integers(0, 500, 4000)
    found = tied(distinct[which] + random.uniform(-TIE / 3, TIE / 3, 4000))
    assert len(np.unique(found)) == len(np.unique(which))
    assert np.array_equal(np.unique(found, return_inverse=True)[1], np.unique(which, return_inverse=True)[1])


def test_many_close_numbers_are_not_made_one():
    odds = np.linspace(-0.5, 0.5, 2_000_001)
    assert np.abs(tied(odds) - odds).max() <= TIE
    assert len(np.unique(tied(odds))) > 900_000


def test_infinite_ones_of_one_sign_are_equal():
    odds = np.array([-np.inf, 0.0, -np.inf, np.inf, np.inf])
    assert tied(odds).tolist() == odds.tolist()
    assert tied(np.zeros(0)).tolist() == []
