"""How fast training steps go: our engine, the plain loop most people write, and the floor beneath both.

    python benchmarks/throughput.py [--rounds 5] [--root DIR] [--out benchmarks/results/throughput.json]

Arms, each measurement in a process of its own, the arms taking turns:
    engine    smallvision's loop, on uint8 images in memory, augmented in whole batches
    loop      a Dataset of Pillow images, per-image transforms, a DataLoader, `.item()` each step; fp32, contiguous;
              with as many workers as turn out fastest here (0, 1, 2 are tried first)
    floor     forward, backward and optimiser step on float batches that lie in memory, standardised already; with the
              engine's network, optimiser, memory format and process settings, so that only the loop around them differs
    bare      the floor in a process as Python starts it (glibc gives freed memory back between steps)
    augment   the engine's augmentation alone, on the same batches

The first 20 steps of each measurement are not timed; then one epoch of MNIST (918 steps) or of 19 200 images of
CIFAR-10 (130 steps). Figures are microseconds an image, wall clock and CPU, medians over the rounds; ratios are taken
round by round.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn

RESULTS = Path(__file__).parent / "results"

CASES = {
    "mnist-cnn": {"images": 60_000, "overrides": []},
    "cifar10-cnn": {"images": 19_200, "overrides": ["data.limit=19200"]},
}
SKIPPED = 20  # steps at the start that are not timed


def experiment(case: str, precision: str):
    from smallvision.experiment import load

    return load(
        case, [*CASES[case]["overrides"], "recipe.epochs=1", "protocol.test=once", f"recipe.precision={precision}"]
    )


def prepared(case: str, precision: str, root: Path | None, settled: bool = True):
    """Data, and the network as the engine has it."""
    from smallvision import nn as networks
    from smallvision.data import load
    from smallvision.training import device

    asked = experiment(case, precision)
    if settled:  # the plain loop has the process as Python starts it
        device.settle(torch.device("cpu"), None, precision, True)
    splits = load.load(asked.data, root)
    model = networks.build(
        asked.model, networks.InputSpec(splits.train.shape, len(splits.train.classes), splits.mean, splits.std), 0
    )
    return asked, splits, model.to(memory_format=torch.channels_last)


class Clock:
    """Wall and CPU microseconds per image since the clock was started.

    CPU time is of this process alone: a loader's workers are not counted.
    """

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def per_image(self, count: int) -> dict[str, float]:
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return {"wall": 1e6 * wall / count, "cpu": 1e6 * cpu / count}


def engine(case: str, precision: str, root: Path | None) -> dict[str, float]:
    from smallvision.tasks import TASKS
    from smallvision.training.engine import PROGRESS_STEPS, Progress, train
    from smallvision.training.state import begin

    asked, splits, model = prepared(case, precision, root)
    assert PROGRESS_STEPS == SKIPPED, "the first progress report ends the steps that are not timed"
    events = train(begin(model, asked.recipe), TASKS["classify"](asked.task), splits, asked, seed=0)
    first = next(events)  # the first progress report comes after SKIPPED steps
    clock, seen = Clock(), first.examples
    last = [event for event in events if isinstance(event, Progress)][-1]
    return clock.per_image(last.examples - seen)


def floor(case: str, precision: str, root: Path | None, settled: bool = True) -> dict[str, float]:
    from smallvision.data.batching import samplers
    from smallvision.data.batching.batch import epoch as epoch_batches
    from smallvision.training import optimizers
    from smallvision.training.engine import autocast

    asked, splits, model = prepared(case, precision, root, settled)
    rows = samplers.ORDERS["shuffled"](splits.train.labels, asked.recipe.batch_size, True, 0, 0)
    ready = []
    with torch.no_grad():
        for batch in epoch_batches(splits.train, rows):  # each once: a few of them would stay in the cache
            pixels = model.standardize(batch.pixels).contiguous(memory_format=torch.channels_last)
            ready.append((pixels, batch.labels))
    model.standardize = nn.Identity()
    optimizer = optimizers.build(asked.recipe, model)
    steps = CASES[case]["images"] // asked.recipe.batch_size
    for step in range(steps):
        if step == SKIPPED:
            clock = Clock()
        pixels, labels = ready[step % len(ready)]
        with autocast(torch.device("cpu"), precision):
            loss = nn.functional.cross_entropy(model(pixels).float(), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return clock.per_image((steps - SKIPPED) * asked.recipe.batch_size)


def bare(case: str, precision: str, root: Path | None) -> dict[str, float]:
    return floor(case, precision, root, settled=False)


def augment(case: str, precision: str, root: Path | None) -> dict[str, float]:
    from smallvision.data import transforms
    from smallvision.data.batching import samplers
    from smallvision.data.batching.batch import epoch as epoch_batches

    asked, splits, _ = prepared(case, precision, root)
    rows = samplers.ORDERS["shuffled"](splits.train.labels, asked.recipe.batch_size, True, 0, 0)
    ready = list(epoch_batches(splits.train, rows[:100]))
    vary, generator = transforms.build(asked.data.augment), torch.Generator()
    for batch in ready[:SKIPPED]:
        vary(batch, generator)
    clock = Clock()
    for batch in ready:
        vary(batch, generator)
    return clock.per_image(len(ready) * asked.recipe.batch_size)


class PillowImages(torch.utils.data.Dataset):
    """What torchvision's data sets do for each image: Pillow image, transforms, tensor, standardised."""

    def __init__(self, images, labels, mean, std, train: bool) -> None:
        self.images, self.labels, self.train = images, labels, train
        self.mean, self.std = mean, std

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        import math
        import random

        import numpy as np
        from PIL import Image

        image = Image.fromarray(self.images[index])
        if self.train and image.mode == "RGB":  # R5: resized crop to 32, horizontal flip
            width, height = image.size
            box = (0, 0, width, height)
            for _ in range(10):
                area = width * height * random.uniform(0.08, 1.0)
                ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
                w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
                if 0 < w <= width and 0 < h <= height:
                    x, y = random.randint(0, width - w), random.randint(0, height - h)
                    box = (x, y, x + w, y + h)
                    break
            image = image.crop(box).resize((width, height), Image.Resampling.BILINEAR)
            if random.random() < 0.5:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        # What torchvision's ToTensor and Normalize do, step for step.
        array = np.array(image, copy=True)
        pixels = torch.from_numpy(array).view(*array.shape[:2], -1).permute(2, 0, 1).contiguous()
        pixels = pixels.to(dtype=torch.get_default_dtype()).div(255).clone()
        mean, std = torch.as_tensor(self.mean, dtype=pixels.dtype), torch.as_tensor(self.std, dtype=pixels.dtype)
        if (std == 0).any():
            raise ValueError("division by zero")
        return pixels.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1)), int(self.labels[index])


NETWORKS = {
    "mnist-cnn": lambda: nn.Sequential(
        nn.Conv2d(1, 10, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(10, 20, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(320, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    ),
    "cifar10-cnn": lambda: nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 126, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(126, 64),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Linear(64, 10),
    ),
}


def loop(case: str, precision: str, root: Path | None, workers: int) -> dict[str, float]:
    asked, splits, _ = prepared(case, "fp32", root, settled=False)
    pixels = splits.train.pixels
    arrays = pixels[:, 0].numpy() if pixels.shape[1] == 1 else pixels.permute(0, 2, 3, 1).contiguous().numpy()
    dataset = PillowImages(arrays, splits.train.labels.numpy(), splits.mean, splits.std, train=bool(asked.data.augment))
    torch.manual_seed(0)
    loader = torch.utils.data.DataLoader(dataset, asked.recipe.batch_size, shuffle=True, num_workers=workers)
    model = NETWORKS[case]()
    optimizer = torch.optim.SGD(model.parameters(), asked.recipe.learning_rate, asked.recipe.momentum)
    criterion = nn.CrossEntropyLoss()
    model.train()
    total_loss, correct, timed = 0.0, 0, 0
    for step, (inputs, labels) in enumerate(loader):
        if step == SKIPPED:
            clock, timed = Clock(), 0
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        total_loss += loss.item()
        correct += (outputs.argmax(1) == labels).sum().item()
        timed += len(labels)
    return clock.per_image(timed)


ARMS = {"engine": engine, "floor": floor, "bare": bare, "augment": augment}


def child(arm: str, case: str, precision: str, root: Path | None) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--arm", arm, "--case", case, "--precision", precision]
    done = subprocess.run(
        [*command, *(["--root", str(root)] if root else [])], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{arm} {case} {precision}: {done.stderr}")
    return json.loads(done.stdout)


def best_workers(case: str, root: Path | None) -> tuple[int, dict[str, float]]:
    tried = {str(workers): child(f"loop:{workers}", case, "fp32", root)["wall"] for workers in (0, 1, 2)}
    return int(min(tried, key=tried.__getitem__)), tried


def measure(case: str, rounds: int, root: Path | None) -> dict:
    """All arms of one case, in turn, `rounds` times."""
    workers, tried = best_workers(case, root)
    arms = [("loop", "fp32", f"loop:{workers}")]
    arms += [(arm, precision, arm) for precision in ("fp32", "bf16") for arm in ("engine", "floor", "bare")]
    arms += [("augment", "fp32", "augment")]
    taken: dict[str, list[dict[str, float]]] = {f"{name} {precision}": [] for name, precision, _ in arms}
    for number in range(rounds):
        for name, precision, arm in arms:
            taken[f"{name} {precision}"].append(child(arm, case, precision, root))
            print(
                f"{case} round {number + 1}: {name} {precision} {taken[f'{name} {precision}'][-1]}",
                file=sys.stderr,
                flush=True,
            )
    median = {
        key: {kind: statistics.median(one[kind] for one in values) for kind in ("wall", "cpu")}
        for key, values in taken.items()
    }
    own = [one["wall"] for one in taken["augment fp32"]]
    ratios = {}
    for precision in ("fp32", "bf16"):
        a = [one["wall"] for one in taken[f"engine {precision}"]]
        c = [one["wall"] for one in taken[f"floor {precision}"]]
        b = [one["wall"] for one in taken["loop fp32"]]
        ratios[f"engine over floor {precision}"] = statistics.median(
            (x - y) / z for x, y, z in zip(a, own, c, strict=True)
        )
        d = [one["wall"] for one in taken[f"bare {precision}"]]
        ratios[f"engine over bare {precision}"] = statistics.median(
            (x - y) / z for x, y, z in zip(a, own, d, strict=True)
        )
        ratios[f"loop over engine {precision}"] = statistics.median(y / x for x, y in zip(a, b, strict=True))
    return {"workers": workers, "workers_tried": tried, "microseconds": median, "ratios": ratios, "rounds": taken}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS / "throughput.json")
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--precision", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.arm:
        arm, _, workers = asked.arm.partition(":")
        where = (asked.case, asked.precision, asked.root)
        print(json.dumps(loop(*where, int(workers)) if arm == "loop" else ARMS[arm](*where)))
        return
    from smallvision.runs import environment
    from smallvision.training import device

    here = environment.describe(
        "cpu", device.name_of(torch.device("cpu")), torch.get_num_threads(), "fp32 and bf16", True
    )
    found = {"format_version": 1, "rounds": asked.rounds, "environment": here}
    found["cases"] = {case: measure(case, asked.rounds, asked.root) for case in CASES}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(found, indent=1) + "\n")
    for case, result in found["cases"].items():
        for key, value in result["microseconds"].items():
            print(f"{case:12} {key:12} {value['wall']:8.1f} us/image wall {value['cpu']:8.1f} cpu")
        for key, value in result["ratios"].items():
            print(f"{case:12} {key}: {value:.2f}")


if __name__ == "__main__":
    main()
