"""What exact statistics of batch normalisation cost: whole training steps of catalog networks, and their errors.

    python benchmarks/batch_norm.py [--rounds 30] [--cases cifar10-cnn-fast mnist-cnn-fast] [--out FILE.json]

Arms, taking turns step by step in one process, each with a copy of the same network:
    torch       nn.BatchNorm2d on batches whose channels are last in memory
    exact       smallvision.nn.batch_norm, which training uses
    contiguous  nn.BatchNorm2d on a contiguous copy of its batch, whose result is brought back
    var_mean    nn.BatchNorm2d, with the running statistics made anew by torch.var_mean

Every block of a network is given batch normalisation. A step is forward, backward and update on random images, in the
memory format and with the process settings of training.
Figures are medians over the rounds of the milliseconds of a step, wall clock and CPU; ratios to the arm "torch" are
medians of those within a round. `variance` is the largest error of a running variance over all layers and channels
after one step, relative to that of the same batch in float64. Nothing is downloaded.
"""

import argparse
import json
import statistics
import time
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from smallvision.experiment import load
from smallvision.nn import InputSpec, build
from smallvision.nn.batch_norm import exact
from smallvision.training import device, engine, optimizers, prepare

SHAPES = {"cifar10": (3, 32, 32), "mnist": (1, 28, 28), "fashion": (1, 28, 28)}
WARM = 3  # steps of each arm that are not timed


class Contiguous(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.contiguous()).contiguous(memory_format=torch.channels_last)


class VarMean(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                for kept, new in zip(
                    (self.running_var, self.running_mean), torch.var_mean(input, (0, 2, 3)), strict=True
                ):
                    kept.lerp_(new, self.momentum)
        return nn.functional.batch_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)


def arms(model: nn.Module) -> dict[str, nn.Module]:
    """The same network with each kind of normalisation."""
    made = {name: deepcopy(model) for name in ("torch", "exact", "contiguous", "var_mean")}
    exact(made["exact"])
    for name, kind in (("contiguous", Contiguous), ("var_mean", VarMean)):
        for module in made[name].modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = kind
    return made


def errors(made: dict[str, nn.Module], pixels: Tensor) -> dict[str, float]:
    """The largest relative error of a layer's variance, each of what the layer itself was given."""
    found = {}
    for name, model in made.items():
        copy = deepcopy(model).train()
        worst = []

        def look(layer: nn.BatchNorm2d, given: tuple[Tensor], _: Tensor, worst: list[float] = worst) -> None:
            true = given[0].detach().double().var((0, 2, 3))
            worst.append(((layer.running_var - true) / true).abs().max().item())

        for module in copy.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
                module.register_forward_hook(look)
        copy(pixels)
        found[name] = max(worst)
    return found


def measure(case: str, rounds: int) -> dict:
    blocks = len(load(case).model.blocks)
    asked = load(case, ["recipe.precision=fp32", *(f"model.blocks.{i}.normalization=batch" for i in range(blocks))])
    shape, recipe = SHAPES[case.split("-")[0]], asked.recipe
    generator = torch.Generator().manual_seed(0)
    mean, std = (0.5,) * shape[0], (0.25,) * shape[0]
    model = prepare.placed(build(asked.model, InputSpec(shape, 10, mean, std), 0), torch.device("cpu"))
    made = arms(model.train())
    batches = [torch.rand(recipe.batch_size, *shape, generator=generator) for _ in range(4)]
    batches = [batch.contiguous(memory_format=torch.channels_last) for batch in batches]
    labels = torch.randint(10, (recipe.batch_size,), generator=generator)
    variance = errors(made, batches[0])
    built = {name: optimizers.build(recipe, one) for name, one in made.items()}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in made}
    names = list(made)
    for number in range(WARM + rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            wall, cpu = time.perf_counter(), time.process_time()
            with engine.autocast(torch.device("cpu"), recipe.precision):
                loss = nn.functional.cross_entropy(made[name](batches[number % len(batches)]).float(), labels)
            loss.backward()
            built[name].step()
            built[name].zero_grad(set_to_none=True)
            if number >= WARM:
                seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    out = {}
    for name in names:
        pairs = list(zip(seconds[name], seconds["torch"], strict=True))
        ratios = [[one[kind] / base[kind] for one, base in pairs] for kind in (0, 1)]
        out[name] = {
            "milliseconds": 1e3 * statistics.median(wall for wall, _ in seconds[name]),
            "cpu_milliseconds": 1e3 * statistics.median(cpu for _, cpu in seconds[name]),
            "ratio": statistics.median(ratios[0]),
            "cpu_ratio": statistics.median(ratios[1]),
            "variance": variance[name],
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--cases", nargs="+", default=["cifar10-cnn-fast", "fashion-cnn-fast", "mnist-cnn-fast"])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    threads = device.settle(torch.device("cpu"), given.threads, "fp32", True)
    found = {"torch": torch.__version__, "threads": threads, "rounds": given.rounds, "cases": {}}
    for case in given.cases:
        found["cases"][case] = measure(case, given.rounds)
        for name, row in found["cases"][case].items():
            print(
                f"{case:18} {name:10} {row['milliseconds']:8.2f} ms {row['cpu_milliseconds']:8.2f} ms CPU "
                f"{row['ratio']:6.3f} {row['cpu_ratio']:6.3f} variance {row['variance']:.1e}"
            )
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
