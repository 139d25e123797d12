"""Holm's adjusted p-values against statsmodels and against his step-down procedure, done by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from smallvision.errors import BadInput
from smallvision.stats.corrections import holm, holm_factors

p_lists = st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 0.01, 0.05])), min_size=1, max_size=12)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=25)  # statsmodels collects garbage every time
@given(p_lists)
def test_equals_statsmodels(p_values):
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1], rtol=0, atol=1e-12)


@settings(derandomize=True, deadline=None)
@given(p_lists, st.sampled_from([0.01, 0.05, 0.2]))
def test_is_the_step_down_procedure(p_values, level):
    rejected = set()
    for rank, i in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[i] > level / (len(p_values) - rank):
            break
        rejected.add(int(i))
    near = any(abs(p * (len(p_values) - r) - level) < 1e-12 for p in p_values for r in range(len(p_values)))
    assert near or rejected == {i for i, p in enumerate(holm(p_values)) if p <= level}


@settings(derandomize=True, deadline=None)
@given(p_lists)
def test_factors_lie_between_one_and_the_number_of_comparisons(p_values):
    for p, factor, adjusted in zip(p_values, holm_factors(p_values), holm(p_values), strict=True):
        assert 1 <= factor <= len(p_values) * (1 + 1e-12)
        assert adjusted == min(1, p * factor)


def test_a_published_example():
    # pingouin's documentation of pairwise corrections
    assert holm([0.50, 0.003, 0.32, 0.054, 0.0003]) == pytest.approx((0.64, 0.012, 0.64, 0.162, 0.0015), abs=1e-12)
    assert holm([0.03]) == (0.03,)


@pytest.mark.parametrize("p_values", [[], [1.2], [-0.1], [float("nan")], ["0.1"], [True]])
def test_bad_p_values_are_refused(p_values):
    with pytest.raises(BadInput, match=r"p_values.*: got .*; expected"):
        holm(p_values)
