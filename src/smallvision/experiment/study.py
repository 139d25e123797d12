"""The spec of a study: a base experiment, what varies, seeds, and the question. No torch."""

import hashlib
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict, ValidationError, field_validator, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from smallvision.errors import short
from smallvision.experiment.base import Bool, Count, Float, Fraction, NonNegative, Spec, Text, canonical_text
from smallvision.experiment.experiment import Experiment
from smallvision.experiment.overrides import SECTIONS, Settings, flat
from smallvision.experiment.probe import ProbeSpec

MOST_SEEDS = 1000
LONGEST_NAME = 60  # characters of a case's name, which stands in tables
QUOTE = 'a longer key is written in quotes, as in "model.blocks.0.channels" = ...'


def _seeds(value: Any) -> Any:
    """A count n stands for 0..n-1."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MOST_SEEDS:
            raise PydanticCustomError(
                "seeds", "expected a count from 1 to {most}, or a list of seeds", {"most": MOST_SEEDS}
            )
        return tuple(range(value))
    plain = isinstance(value, list | tuple) and all(type(seed) is int and 0 <= seed < 2**63 for seed in value)
    if not plain or not 1 <= len(value) <= MOST_SEEDS:
        raise PydanticCustomError("seeds", "expected a count (an integer) or a list of whole numbers, 0 or more")
    for seed in value:
        if list(value).count(seed) > 1:
            raise PydanticCustomError("seeds", "seed {seed} is given twice; keep one", {"seed": seed})
    return value


def _name(value: Any) -> Any:
    if (
        not isinstance(value, str)
        or not value.isprintable()
        or value != value.strip()
        or not 1 <= len(value) <= LONGEST_NAME
    ):
        raise PydanticCustomError("name", "expected a name of 1 to {most} printable characters", {"most": LONGEST_NAME})
    return value


Number = Annotated[int, Strict()] | Float
Seeds = Annotated[tuple[int, ...], BeforeValidator(_seeds)]
CaseName = Annotated[str, BeforeValidator(_name)]


class Case(Spec):
    """A case of a study: its name, and its settings in addition to `Study.set`, which all cases have.

    text : how sentences call the case, in the middle of a sentence: "training with flips"; its name unless given.
    """

    name: CaseName
    text: CaseName | None = None
    set: Settings = Field(default_factory=dict)


class Range(Spec):
    """Numbers from `low` to `high`, both included; `log` makes their logarithm uniform. Two integers give integers."""

    low: Number
    high: Number
    log: Bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low = {self.low} must be below high = {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"log = true needs low above 0; got low = {self.low}")
        return self


def _range(key: str, value: Any) -> Range:
    try:
        return Range.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join([key, *map(str, first["loc"])])
        raise ValueError(f"{where}: {str(first['msg']).removeprefix('Value error, ').lower()}") from None


class Search(Spec):
    """A random search: `tries` settings are drawn for every case and scored on validation images, and the best is used.

    In TOML the keys stand in the same table, with a range or a list:
    ``"recipe.learning_rate" = { low = 1e-4, high = 0.1, log = true }``.
    """

    tries: Annotated[Count, Field(le=1000)]
    over: dict[str, Range | tuple[Any, ...]]

    @model_validator(mode="before")
    @classmethod
    def _keys_beside_tries(cls, values: Any) -> Any:
        if isinstance(values, dict) and "over" not in values:
            keys = {key: value for key, value in values.items() if key != "tries"}
            if not keys:
                raise ValueError(
                    'this table has no key to search; write one, as in "recipe.learning_rate" = { low = 1e-4, high = '
                    "0.1, log = true }"
                )
            return {**{key: value for key, value in values.items() if key == "tries"}, "over": keys}
        return values

    @field_validator("over", mode="before")
    @classmethod
    def _ranges_or_lists(cls, over: Any) -> Any:
        out: dict[str, Range | tuple[Any, ...]] = {}
        for key, value in flat(over).items():
            if isinstance(value, list | tuple) and value:
                out[key] = tuple(list(one) if isinstance(one, tuple) else one for one in value)
            elif isinstance(value, Range) or (isinstance(value, dict) and {"low", "high"} & set(value)):
                out[key] = _range(key, value)
            else:
                cure = f"; {QUOTE}" if isinstance(value, dict) else ""
                raise ValueError(
                    f"{key}: got {short(value)}; expected {{ low = .., high = .. }} or a list of values{cure}"
                )
        return out

    @model_serializer
    def _beside_tries(self) -> dict[str, Any]:
        over = {
            key: value.model_dump() if isinstance(value, Range) else list(value) for key, value in self.over.items()
        }
        return {"tries": self.tries, **over}


class Match(Spec):
    """Networks of equal size: for every case, the integer at the key `vary` is chosen to make its network of this size.

    parameters, multiply_adds : the size of every case, one of the two; multiply-adds are those of one image.
    vary : the key whose integer is chosen, or several keys: each case takes the first of them that its network has.
    within : the largest difference from this size that is accepted, as a share of it.
    """

    parameters: Count | None = None
    multiply_adds: Count | None = None
    vary: tuple[Text, ...]
    within: Fraction = 0.01

    @field_validator("vary", mode="before")
    @classmethod
    def _one_or_several(cls, vary: Any) -> Any:
        keys = [vary] if isinstance(vary, str) else vary
        if not isinstance(keys, list | tuple) or not all(
            isinstance(key, str) and key.startswith("model.") for key in keys
        ):
            raise ValueError('expected a key of the network, or a list of them, as in "model.blocks.2.channels"')
        return keys

    @model_validator(mode="after")
    def _one_size(self) -> "Match":
        if (self.parameters is None) == (self.multiply_adds is None):
            raise ValueError("set either parameters or multiply_adds, and not both")
        if not self.vary:
            raise ValueError('vary is empty; name a key of the network, as in "model.blocks.2.channels"')
        return self


class Study(Spec):
    """A base experiment, what varies, seeds, and a question.

    base : the experiment that all cases start from. In TOML: catalog name, file (relative to the study's) or table.
    seeds : the seeds of every case; a count n stands for 0..n-1.
    set : settings of all cases. A setting replaces the value of its key.
    case, axes : exactly one of the two: named sets of settings, or a grid of values for each key.
    baseline : the case that the others are compared with; the first unless given.
    compare : the comparisons declared beforehand: all cases with the baseline, "all" pairs, or a list of pairs.
    equivalence : a margin, in the unit of the metric as files have it: 0.005 of an accuracy is 0.5 percentage points.
        Every comparison then also says whether a difference of more than this is ruled out.
    varies : keys, or tables of keys, in which cases are meant to differ; any other difference is a confounder. By
        default, differences within a single table (data, model, task, recipe) are meant.
    search : a random search for each case on validation images, with the same budget for every case.
    match : makes the networks of all cases equal in size.
    probe : the probe of every run's representation after training, on the test split where there is one.
    """

    name: Text
    about: Text = ""
    question: Text = ""
    minutes: NonNegative = 0.0  # measured on 2 cores; for `smallvision list`
    base: Experiment
    seeds: Seeds = (0,)
    set: Settings = Field(default_factory=dict)
    case: tuple[Case, ...] = ()
    axes: Annotated[dict[str, tuple[Any, ...]], BeforeValidator(flat)] = Field(default_factory=dict)
    baseline: Text | None = None
    compare: Literal["baseline", "all"] | tuple[tuple[Text, Text], ...] = "baseline"
    equivalence: Annotated[Float, Field(gt=0)] | None = None
    varies: tuple[Text, ...] = ()
    search: Search | None = None
    match: Match | None = None
    probe: ProbeSpec | None = None

    @field_validator("name")
    @classmethod
    def _usable_as_a_folder_name(cls, name: str) -> str:
        return Experiment._usable_as_a_folder_name(name)

    @field_validator("axes", mode="before")
    @classmethod
    def _lists(cls, axes: Any) -> Any:
        for key, values in flat(axes).items():
            if not isinstance(values, list | tuple):
                cure = f"; {QUOTE}" if isinstance(values, dict) else ""
                raise ValueError(f"{key}: got {short(values)}; expected a list of values{cure}")
            if not values:
                raise ValueError(f"{key}: the list is empty, so there would be no cases; add values to it")
        return axes

    @field_validator("compare", mode="before")
    @classmethod
    def _word_or_pairs(cls, compare: Any) -> Any:
        pairs = isinstance(compare, list | tuple) and all(
            isinstance(pair, list | tuple) and len(pair) == 2 for pair in compare
        )
        if compare not in ("baseline", "all") and not (pairs and compare):
            raise ValueError('expected "baseline", "all" or a list of pairs of cases, as in [["cnn", "mlp"]]')
        return compare

    @field_validator("varies")
    @classmethod
    def _keys_of_sections(cls, varies: tuple[str, ...]) -> tuple[str, ...]:
        for key in varies:
            if key.split(".")[0] not in SECTIONS[:-1]:
                raise ValueError(
                    f'{key}: expected keys or tables of an experiment, as in "model" or "recipe.learning_rate"'
                )
        return varies

    @model_validator(mode="after")
    def _something_varies(self) -> "Study":
        if self.case and self.axes:
            raise ValueError("[[case]] and [axes] are both given; keep one")
        if not self.case and not self.axes:
            raise ValueError(
                'the study has nothing to compare; add [axes] (as in "recipe.learning_rate" = [0.01, 0.1]) or '
                "[[case]] tables"
            )
        names: set[str] = set()
        for name in [case.name for case in self.case]:
            if name in names:
                raise ValueError(f'two cases are named "{name}"; rename one')
            names.add(name)
        return self

    def canonical(self) -> dict[str, Any]:
        """All values that decide the study's results, with the base experiment in its own canonical form."""
        words: dict[str, Any] = dict.fromkeys(("name", "about", "question", "minutes", "base"), True)
        words["case"] = {"__all__": {"text"}}
        return {**self.model_dump(mode="json", exclude_defaults=True, exclude=words), "base": self.base.canonical()}

    @property
    def texts(self) -> dict[str, str]:
        """How sentences call the cases that have a text, by name."""
        return {case.name: case.text for case in self.case if case.text}

    @property
    def identity(self) -> str:
        """The whole canonical form as text: studies with equal texts are the same. The hash is only for names."""
        return canonical_text(self.canonical())

    def hash(self) -> str:
        """The first 8 hexadecimal digits of the sha256 of the canonical form as JSON with sorted keys."""
        return hashlib.sha256(self.identity.encode()).hexdigest()[:8]
