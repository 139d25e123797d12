"""The learning rate as a function of the step, against torch's own schedulers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler as reference

from smallvision.experiment.recipe import RecipeSpec
from smallvision.training.schedules import rate


def rates_by_torch(make, steps, each_epoch, steps_per_epoch):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = make(optimizer)
    rates = []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < steps and (not each_epoch or (step + 1) % steps_per_epoch == 0):
            scheduler.step()
    return rates


CASES = {
    "constant": ({"kind": "constant"}, lambda o, n: reference.ConstantLR(o, factor=1.0), True),
    "exponential": ({"kind": "exponential", "gamma": 0.7}, lambda o, n: reference.ExponentialLR(o, 0.7), True),
    "step": ({"kind": "step", "epochs": 2, "gamma": 0.2}, lambda o, n: reference.StepLR(o, 2, 0.2), True),
    "cosine": ({"kind": "cosine", "final": 0.1}, lambda o, n: reference.CosineAnnealingLR(o, n, eta_min=0.03), False),
    "one-cycle": (
        {"kind": "one-cycle", "warmup": 0.25, "start": 10.0, "finish": 100.0},
        lambda o, n: reference.OneCycleLR(
            o, 0.3, total_steps=n, pct_start=0.25, div_factor=10, final_div_factor=100, cycle_momentum=False
        ),
        False,
    ),
    "one-cycle, linear": (
        {"kind": "one-cycle", "warmup": 0.4, "shape": "linear"},
        lambda o, n: reference.OneCycleLR(
            o, 0.3, total_steps=n, pct_start=0.4, anneal_strategy="linear", cycle_momentum=False
        ),
        False,
    ),
}


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=15, deadline=None)
@given(epochs=st.integers(2, 6), steps_per_epoch=st.integers(3, 9))
def test_equal_to_torch(case, epochs, steps_per_epoch):
    schedule, make, each_epoch = CASES[case]
    recipe = RecipeSpec.model_validate({"epochs": epochs, "learning_rate": 0.3, "schedule": schedule})
    total = epochs * steps_per_epoch
    expected = rates_by_torch(lambda optimizer: make(optimizer, total), total, each_epoch, steps_per_epoch)
    assert [rate(recipe, step, steps_per_epoch) for step in range(total)] == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("schedule", ["constant", "exponential", "step", "cosine", "one-cycle"])
@given(epochs=st.integers(1, 3), steps_per_epoch=st.integers(1, 4))
def test_the_shortest_runs_have_a_rate_too(schedule, epochs, steps_per_epoch):
    recipe = RecipeSpec.model_validate({"epochs": epochs, "learning_rate": 0.3, "schedule": schedule})
    for step in range(epochs * steps_per_epoch):
        assert 0 <= rate(recipe, step, steps_per_epoch) <= 0.3 + 1e-12
