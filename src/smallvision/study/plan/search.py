"""A small search for every case on validation images: which settings are tried next, and which were best. No torch.

With Optuna (the `search` extra) its tree-structured Parzen estimator (Bergstra et al. 2011) proposes the settings of
one try after the other for each case. Without Optuna the settings are drawn from a Latin hypercube (McKay, Beckman &
Conover 1979), the same for every case. Either way they depend on the study alone, so a study that was killed goes on
with the same tries.

Nothing of Optuna's is kept between two tries. Each time, a study in memory is given the tries that are over, a failed
one as the worst of all, and is asked for one more. So no try is ever left "running" in Optuna, where version 5 would
count it as a bad one: a try that was under way when the process was killed is unknown to Optuna, is proposed again
from the same tries before it, and its run is resumed. The sampler's seed depends on the case and on the number of
tries before, so that the first proposals are not drawn again after a restart.
"""

import hashlib
import itertools
import math
import random
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from smallvision.errors import BadInput
from smallvision.experiment import Study
from smallvision.experiment.study import Range
from smallvision.metrics.metric import Metric

DIGITS = 3  # significant digits of a number drawn: it is written down and read by people
WORST = -sys.float_info.max  # the value of a failed try for Optuna, which refuses NaN: lower than any score can be
ATTEMPTS = 100  # to draw settings without duplicates
PROPOSALS = 10  # that Optuna is asked for until one was not tried before


FAILED = (-math.inf, -math.inf)  # the merit of a failed try


@dataclass(frozen=True)
class Tried:
    """One try of a case.

    Attributes
    ----------
    settings : key -> value, set in the case's experiment.
    scores : on the validation images; None if the try failed or is not done.
    done : False while the try is queued or running.
    """

    settings: Mapping[str, Any]
    scores: Mapping[str, float] | None = None
    done: bool = True

    def merit(self, metric: Metric) -> tuple[float, float]:
        """The metric, larger is better, then the negative loss; a try that failed or has no finite score is worse than
        all others.
        """
        found = metric.merit(self.scores) if self.scores else FAILED
        return (found[0], -math.inf if math.isnan(found[1]) else found[1]) if math.isfinite(found[0]) else FAILED


def sampler(recorded: str | None) -> str:
    """The sampler that a study began with; for a new study "optuna" if it is installed, else "random".

    Raises
    ------
    BadInput : the study began with Optuna, which is not installed any more.
    """
    here = find_spec("optuna") is not None
    if recorded == "optuna" and not here:
        raise BadInput(
            "search: this study began its search with Optuna, which is not installed; install it with pip install "
            '"smallvision[search]"'
        )
    return recorded or ("optuna" if here else "random")


def seed(study: Study) -> int:
    """The seed of every try: the first that the study does not use, so no reported run is selected by its luck."""
    return next(number for number in itertools.count() if number not in study.seeds)


def budget(study: Study) -> int:
    """How many tries every case has; 0 without a search."""
    return int(min(study.search.tries, _grid(study.search.over))) if study.search else 0


def proposals(study: Study, case: str, history: Sequence[Tried], by: str, metric: Metric) -> list[dict[str, Any]]:
    """The settings of a case that can be tried now.

    Parameters
    ----------
    study : has a search.
    case : its name.
    history : the case's tries so far, in their order.
    by : "random" or "optuna".
    metric : by which tries are compared.

    Returns
    -------
    list of dict : empty while Optuna waits for a try, and when the case has all tries that the study asks for.
    """
    assert study.search is not None
    over, tries = dict(study.search.over), study.search.tries
    if by == "random" or _grid(over) <= tries:
        return _drawn(over, tries)[len(history) :]
    if len(history) >= tries or any(not tried.done for tried in history):
        return []
    return [_optuna(over, case, history, tries, metric)]


def best(history: Sequence[Tried], metric: Metric) -> Tried | None:
    """The best of a case's tries by the metric on validation images, the earliest of equals; None if all failed."""
    winner = max(history, key=lambda tried: tried.merit(metric))
    return winner if winner.merit(metric) > FAILED else None


def _grid(over: Mapping[str, Range | tuple[Any, ...]]) -> float:
    """The number of different settings; infinite with a range."""
    return math.prod(math.inf if isinstance(values, Range) else len(values) for values in over.values())


def _drawn(over: Mapping[str, Range | tuple[Any, ...]], tries: int) -> list[dict[str, Any]]:
    """All settings, if they are not more than `tries`; else a Latin hypercube, if possible without duplicates."""
    if _grid(over) <= tries:
        lists = [values for values in over.values() if not isinstance(values, Range)]
        return [dict(zip(over, point, strict=True)) for point in itertools.product(*lists)]
    out: list[dict[str, Any]] = []
    for attempt in range(ATTEMPTS):
        columns = {key: _column(key, values, tries, attempt) for key, values in over.items()}
        out = [dict(zip(columns, point, strict=True)) for point in zip(*columns.values(), strict=True)]
        if all(settings not in out[:place] for place, settings in enumerate(out)):
            break
    return out


def _column(key: str, values: Range | tuple[Any, ...], tries: int, attempt: int) -> list[Any]:
    """One value from each of `tries` equal parts of the possible values, in a random order."""
    draw = random.Random(int.from_bytes(hashlib.sha256(f"{key} {attempt}".encode()).digest()[:8], "big"))
    shares = [(part + draw.random()) / tries for part in range(tries)]  # in [0, 1)
    order = sorted(range(tries), key=lambda _: draw.random())  # unlike shuffle(), the same in every version of Python
    return [_at(values, shares[part]) for part in order]


def _at(values: Range | tuple[Any, ...], share: float) -> Any:
    """The value at a share, 0 to 1, of the possible values."""
    if not isinstance(values, Range):
        return values[int(share * len(values))]
    whole = isinstance(values.low, int) and isinstance(values.high, int)
    # each integer has a part of its own, of equal width
    low, high = (values.low - 0.5, values.high + 0.5) if whole else (values.low, values.high)
    drawn = math.exp(math.log(low) + share * math.log(high / low)) if values.log else low + share * (high - low)
    return min(int(values.high), max(int(values.low), round(drawn))) if whole else _short(drawn, values)


def _short(value: float, values: Range) -> float:
    """The number with few digits, still in its range."""
    return min(float(values.high), max(float(values.low), float(f"{value:.{DIGITS}g}")))


def _optuna(
    over: Mapping[str, Range | tuple[Any, ...]], case: str, history: Sequence[Tried], tries: int, metric: Metric
) -> dict[str, Any]:
    """The settings that Optuna proposes after these tries: if it can, some that were not tried before."""
    optuna: Any = import_module("optuna")
    with _quiet(optuna):
        return _not_tried(optuna, over, case, history, tries, metric)


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Optuna without its lines of information; how much it says is as before at the end."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _not_tried(
    optuna: Any,
    over: Mapping[str, Range | tuple[Any, ...]],
    case: str,
    history: Sequence[Tried],
    tries: int,
    metric: Metric,
) -> dict[str, Any]:
    tried = [dict(one.settings) for one in history]
    settings: dict[str, Any] = {}
    for attempt in range(PROPOSALS):
        settings = _proposed(
            optuna, over, f"{case} {len(history)}{f' {attempt}' * (attempt > 0)}", history, tries, metric
        )
        if settings not in tried:
            return settings
    return next((drawn for drawn in _drawn(over, tries) if drawn not in tried), settings)


def _proposed(
    optuna: Any,
    over: Mapping[str, Range | tuple[Any, ...]],
    seeded_by: str,
    history: Sequence[Tried],
    tries: int,
    metric: Metric,
) -> dict[str, Any]:
    """One proposal. Optuna gets all tries each time, so no state is kept; what its versions differ in is stated."""
    number = int.from_bytes(hashlib.sha256(seeded_by.encode()).digest()[:4], "big")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of multivariate, before Optuna 5
        estimator = optuna.samplers.TPESampler(
            seed=number, n_startup_trials=max(3, tries // 3), multivariate=True, constant_liar=False
        )
    study = optuna.create_study(direction="maximize", sampler=estimator)
    spaces = {key: _space(optuna.distributions, values) for key, values in over.items()}
    for tried in history:
        params = {
            key: values.index(value) if isinstance(values := over[key], tuple) else value
            for key, value in tried.settings.items()
        }
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=spaces, value=optuna_value(tried, metric))
        )
    drawn = study.ask(spaces).params
    return {key: _value(values, drawn[key]) for key, values in over.items()}


def optuna_value(tried: Tried, metric: Metric) -> float:
    """What Optuna is to maximise: the metric, between equals decided by the loss; WORST for a failed try."""
    score, negative_loss = tried.merit(metric)
    if not math.isfinite(score):
        return WORST
    return score + 1e-6 * max(negative_loss, -1e3)


def _space(distributions: Any, values: Range | tuple[Any, ...]) -> Any:
    if not isinstance(values, Range):
        return distributions.CategoricalDistribution(list(range(len(values))))  # by index, since a value may be a table
    if isinstance(values.low, int) and isinstance(values.high, int):
        return distributions.IntDistribution(values.low, values.high, log=values.log)
    return distributions.FloatDistribution(values.low, values.high, log=values.log)


def _value(values: Range | tuple[Any, ...], drawn: Any) -> Any:
    if not isinstance(values, Range):
        return values[drawn]
    return drawn if isinstance(drawn, int) else _short(drawn, values)
