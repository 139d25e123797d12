"""The runs of a study. With a search, those of a case are known after the search has found its settings. No torch."""

from collections.abc import Mapping, Sequence
from typing import Any

from smallvision.experiment import Experiment, Study
from smallvision.study.plan import jobs, search
from smallvision.study.plan.cases import changed
from smallvision.study.plan.jobs import Job
from smallvision.study.plan.search import Tried
from smallvision.tasks import task_of


class Scheduler:
    """The runs that are known now, and those that become known when runs are finished.

    Parameters
    ----------
    study : the study.
    cases : its cases, widths solved.
    recorded : the tries in the study's plan.json, as `tries` gave them.
    sampler : the sampler that the search began with; None for a new study.

    Attributes
    ----------
    cases : the experiment of each case; it has the best settings once its search is over.
    jobs : the runs known so far, without the recorded tries.
    failed : the reason why a case cannot be run, by its name: all its tries failed.
    metric : of the cases' task; tries are compared by it.
    """

    def __init__(
        self,
        study: Study,
        cases: Mapping[str, Experiment],
        recorded: Sequence[Mapping[str, Any]] = (),
        sampler: str | None = None,
    ) -> None:
        self.cases = dict(cases)
        self.metric = task_of(next(iter(cases.values()))).metric
        self.jobs: list[Job] = []
        self.failed: dict[str, str] = {}
        self.sampler = search.sampler(sampler) if study.search else None
        self._study = study
        self._plain = dict(cases)  # as they were before the search
        self._history: dict[str, list[Tried]] = {name: [] for name in cases}
        self._tries: dict[tuple[str, int], Job] = {}
        if study.search is None:
            self.jobs = jobs.jobs(self.cases, study.seeds)
            return
        for name, history in self._history.items():
            known = {entry["try"]: entry for entry in recorded if entry["case"] == name}
            while len(history) in known:
                entry = known[len(history)]
                self._tries[name, len(history)] = self._try(name, len(history), entry["settings"])
                history.append(Tried(entry["settings"], entry["validation"]))
            self._advance(name)

    @property
    def searching(self) -> list[str]:
        """The cases whose settings are not known yet."""
        return [name for name in self.cases if self._study.search and name not in self.failed and not self._over(name)]

    @property
    def later(self) -> list[Job]:
        """Placeholders for the runs that are not known yet: for each case the tries of its search, then its runs."""
        out = []
        for name in self.searching:
            left = range(len(self._history[name]), search.budget(self._study))
            out += [
                Job(f"{name}, try {number + 1}", self._plain[name], search.seed(self._study), tried=True)
                for number in left
            ]
            out += [Job(name, self._plain[name], seed) for seed in self._study.seeds]
        return out

    def final(self, name: str) -> list[Job]:
        """The runs of a case, one for each seed."""
        return [Job(name, self.cases[name], seed) for seed in self._study.seeds]

    def take(self, job: Job, scores: Mapping[str, float] | None) -> list[Job]:
        """Record that a run is over.

        Parameters
        ----------
        job : the run.
        scores : on the validation images; None if the run failed.

        Returns
        -------
        list of Job : the jobs that became known by it.
        """
        before = len(self.jobs)
        for (name, number), tried in list(self._tries.items()):
            if tried.key == job.key and not self._history[name][number].done:
                kept = {key: scores[key] for key in (self.metric.key, "loss")} if scores else None
                self._history[name][number] = Tried(self._history[name][number].settings, kept)
                self._advance(name)
        return self.jobs[before:]

    def is_try(self, job: Job) -> bool:
        """Whether a job is a try of the search, which may fail."""
        return any(tried.key == job.key for tried in self._tries.values())

    def tries(self) -> list[dict[str, Any]]:
        """The tries that are over, as plan.json records them."""
        out = []
        for (name, number), job in self._tries.items():
            tried = self._history[name][number]
            if tried.done:
                entry = {"case": name, "try": number, "seed": job.seed, "hash": job.experiment.hash()}
                scores = dict(tried.scores) if tried.scores else None
                out.append({**entry, "settings": dict(tried.settings), "validation": scores})
        return out

    def settings(self, name: str) -> dict[str, Any]:
        """The settings that the search found best for a case; empty without a search."""
        best = search.best(self._history[name], self.metric) if self._over(name) and self._history[name] else None
        return dict(best.settings) if best else {}

    def _over(self, name: str) -> bool:
        history = self._history[name]
        return len(history) == search.budget(self._study) and all(tried.done for tried in history)

    def _advance(self, name: str) -> None:
        """Add the tries of a case that can be run now, or its runs after the last try."""
        history = self._history[name]
        while new := search.proposals(self._study, name, history, self.sampler or "", self.metric):
            for settings in new:
                self._add(name, settings)
        if not self._over(name):
            return
        best = search.best(history, self.metric)
        if best is None:
            self.failed[name] = f"all {len(history)} tries of its search failed"
            return
        self.cases[name] = changed(self._plain[name], best.settings, f'{self._study.name}: case "{name}"')
        known = {job.key for job in self.jobs}
        self.jobs += [job for job in jobs.jobs({name: self.cases[name]}, self._study.seeds) if job.key not in known]

    def _add(self, name: str, settings: Mapping[str, Any]) -> None:
        number = len(self._history[name])
        job = self._try(name, number, settings)
        equal = [self._history[case][place] for (case, place), other in self._tries.items() if other.key == job.key]
        self._tries[name, number] = job
        self._history[name].append(
            Tried(settings, equal[0].scores, equal[0].done) if equal else Tried(settings, done=False)
        )
        if not equal:
            known = {one.key for one in self.jobs}
            self.jobs += [one for one in jobs.with_needs([job]) if one is job or one.key not in known]

    def _try(self, name: str, number: int, settings: Mapping[str, Any]) -> Job:
        experiment = changed(self._plain[name], settings, f'{self._study.name}: case "{name}"')
        return Job(f"{name}, try {number + 1}", experiment, search.seed(self._study), tried=True)
