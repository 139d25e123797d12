"""An autoencoder's run from end to end.

What it wrote is recomputed from its weights by torch, torchmetrics, scikit-learn and scipy.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from scipy.stats import ttest_1samp
from sklearn.decomposition import PCA
from torchmetrics.functional.image import structural_similarity_index_measure

import smallvision as sv
from smallvision import cli
from smallvision.data import load as images
from smallvision.data.imageset import ImageSet
from smallvision.errors import BadInput
from smallvision.experiment import load
from smallvision.metrics import pca
from smallvision.tasks.reconstruction import latent, pca_baseline, pca_samples
from smallvision.training import run as training_run
from smallvision.training.evaluate_on_test import evaluate_on_test
from smallvision.training.prepare import layers, shape
from smallvision.training.run import RunOptions

pytestmark = pytest.mark.slow

SHORT = ["recipe.epochs=3", "data.limit=500"]
KINDS = {
    "plain": ["data.expand.noise=0.1"],
    "denoise": ["task.denoise.amount=0.2"],
    "variational": ["model.variational=true", "task.beta=0.1", "task.target=normalized", "model.output=linear"],
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(path, *overrides):
    list(
        training_run.run(
            load("digits-autoencoder", [*SHORT, *overrides]), RunOptions(path, seed=3, device="cpu", threads=1)
        )
    )
    return sv.open_run(path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {kind: run(folder / kind, *overrides) for kind, overrides in KINDS.items()}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def splits(done):
    return images.load(done.experiment.data)


def test_scores_of_every_image_are_those_of_what_the_notebook_reconstructs(runs):
    done = runs["plain"]
    evidence, test = done.record.evidence, splits(done).test
    made, clean = torch.from_numpy(done.reconstruct(test.pixels)), test.pixels.float() / 255
    error = (made - clean).double().square().mean((1, 2, 3)).numpy()
    np.testing.assert_allclose(evidence["mse"], error, rtol=1e-4)
    np.testing.assert_allclose(evidence["psnr"], 10 * np.log10(1 / error), rtol=1e-4)
    pairs = zip(made[:20, None], clean[:20, None], strict=True)
    similar = [float(structural_similarity_index_measure(*pair, data_range=1.0)) for pair in pairs]
    np.testing.assert_allclose(evidence["ssim"][:20], similar, atol=2e-4)
    np.testing.assert_array_equal(evidence["ids"], test.ids.numpy())
    np.testing.assert_allclose(done.encode(test.pixels), evidence["representation"], atol=1e-5)


def test_the_result_sums_up_the_evidence(runs, kind):
    done = runs[kind]
    evidence, row, result = done.record.evidence, done.result["test"], done.result
    for key in ("mse", "psnr", "ssim"):
        assert row[key] == pytest.approx(evidence[key].mean(dtype=np.float64), rel=1e-5)
        for number, one in enumerate(row["per_class"]):
            assert one[key] == pytest.approx(
                evidence[key][evidence["labels"] == number].mean(dtype=np.float64), rel=1e-6
            )
    low, high = ttest_1samp(evidence["mse"].astype(np.float64), 0).confidence_interval(0.95)
    assert row["mse_interval"] == pytest.approx([low, high], rel=1e-6)
    assert [one["support"] for one in row["per_class"]] == np.bincount(evidence["labels"], minlength=10).tolist()
    assert [one["class"] for one in row["per_class"]] == result["classes"]
    assert {"mse", "psnr", "ssim", "loss", "count"} <= result["train"].keys()
    assert "per_class" not in result["train"]
    assert ("noisy_mse" in row) == (kind == "denoise")
    assert ("elbo" in row and "kl" in row) == (kind == "variational")
    sigma = np.linalg.svd(evidence["representation"] - evidence["representation"].mean(0), compute_uv=False)
    np.testing.assert_allclose(evidence["spectrum"], sigma**2 / (sigma**2).sum(), atol=1e-5)


def test_pca_is_scikit_learns_on_the_same_images(runs):
    done = runs["denoise"]
    data, evidence = splits(done), done.record.evidence
    train, test = (split.pixels.flatten(1).double().numpy() / 255 for split in (data.train, data.test))
    fitted = PCA(svd_solver="full").fit(train)
    coordinates, counts = fitted.transform(test), evidence["pca_components"]
    assert counts[0] == 1
    assert counts[-1] == 64
    assert 8 in counts
    for count, found in zip(counts, evidence["pca_mse"], strict=True):
        made = coordinates[:, :count] @ fitted.components_[:count] + fitted.mean_
        assert found == pytest.approx(((made - test) ** 2).mean(), abs=1e-12)
    assert done.result["test"]["pca"] == {"components": 8, "mse": evidence["pca_mse"][list(counts).index(8)]}


def of_pixels(pixels):
    pixels = torch.as_tensor(pixels)
    count = len(pixels)
    return ImageSet(
        (pixels,),
        torch.zeros(count, dtype=torch.int64),
        torch.zeros(count, 2, dtype=torch.int64),
        ("a", "b"),
        "made up",
    )


def test_pca_of_fewer_images_than_pixels_and_of_none():
    draw = np.random.default_rng(0)
    train, test = (draw.integers(0, 256, (count, 1, 6, 6), dtype=np.uint8) for count in (10, 15))
    counts, errors = pca_baseline.curve(of_pixels(train), of_pixels(test), components=30)
    assert counts[-1] == 9  # ten images less their mean; 30 components there are not
    fitted = PCA(9, svd_solver="full").fit(train.reshape(10, 36) / 255)
    made = fitted.inverse_transform(fitted.transform(test.reshape(15, 36) / 255))
    assert errors[-1] == pytest.approx(((made - test.reshape(15, 36) / 255) ** 2).mean(), abs=1e-12)
    assert (np.diff(errors) <= 0).all()
    assert pca_baseline.curve(of_pixels(train[:1]), of_pixels(test), 3) is None
    large = of_pixels(np.zeros((3, 3, 64, 64), np.uint8))
    assert pca_baseline.curve(large, large, 3) is None


def test_pca_is_fitted_once_for_all_that_ask(monkeypatch, tmp_path):
    fitted = []
    monkeypatch.setattr(pca_baseline.pca, "fit", lambda pixels, fit=pca.fit: fitted.append(len(pixels)) or fit(pixels))
    run(tmp_path / "run", "recipe.epochs=1")
    assert len(fitted) == 1


def test_chosen_images_are_shown_with_what_the_network_made_of_them(runs, kind):
    done = runs[kind]
    evidence, test = done.record.evidence, splits(done).test.pixels.numpy()
    assert evidence["first_index"].tolist() == list(range(20))
    np.testing.assert_array_equal(evidence["worst_index"], np.argsort(-evidence["mse"], kind="stable")[:20])
    for which in ("first", "worst"):
        np.testing.assert_array_equal(evidence[f"{which}_pixels"], test[evidence[f"{which}_index"]])
        made, clean = evidence[f"{which}_reconstructions"] / 255, evidence[f"{which}_pixels"] / 255
        scored = evidence["mse"][evidence[f"{which}_index"]]
        shown = ((made - clean) ** 2).mean((1, 2, 3))
        if kind == "variational":  # a linear output: what leaves [0, 1] is clamped when it is shown
            assert (shown <= scored + 1e-3).all()
        else:
            np.testing.assert_allclose(shown, scored, atol=1e-3)  # bytes: 1/510 off at most
    assert ("first_noisy" in evidence) == (kind == "denoise")


def test_the_noise_that_is_shown_is_that_which_was_scored(runs):
    done = runs["denoise"]
    evidence = done.record.evidence
    again = done.reconstruct(evidence["first_noisy"])
    np.testing.assert_allclose(again, evidence["first_reconstructions"] / 255, atol=0.02)
    test = splits(done).test.pixels.numpy() / 255
    noise = np.random.default_rng(0).normal(0, 0.2, (20, *test.shape))
    expected = (((test + noise).clip(0, 1) - test) ** 2).mean()
    assert done.result["test"]["noisy_mse"] == pytest.approx(expected, rel=0.03)
    shown = (evidence["first_noisy"] / 255 - evidence["first_pixels"] / 255) ** 2
    assert shown.mean() == pytest.approx(expected, rel=0.15)


def decoded(done, representation):
    from smallvision.inference import predict

    model = predict.load(done.record).model
    with torch.inference_mode():
        made = model.decode(torch.as_tensor(np.asarray(representation), dtype=torch.float32))
        made = model.to_pixels(made) if done.experiment.task.target == "normalized" else made
    return (made.clamp(0, 1) * 255).numpy()


def test_traversals_go_two_deviations_along_the_widest_dimensions(runs, kind):
    evidence = runs[kind].record.evidence
    values = evidence["representation"].astype(np.float64)
    assert evidence["traversal_dimensions"].tolist() == np.argsort(-values.std(0), kind="stable").tolist()
    assert evidence["traversals"].shape == (8, 9, 1, 8, 8)
    for row, dimension in enumerate(evidence["traversal_dimensions"]):
        for step, far in ((0, -2), (3, -0.5), (4, 0), (8, 2)):
            place = values.mean(0)
            place[dimension] += far * values[:, dimension].std()
            place = np.clip(place, values.min(0), values.max(0))
            np.testing.assert_allclose(evidence["traversals"][row, step], decoded(runs[kind], [place])[0], atol=0.6)


def test_a_variational_decoder_draws_from_the_standard_normal_distribution(runs):
    drawn = np.random.default_rng(0).standard_normal((20, 8))
    np.testing.assert_allclose(
        runs["variational"].record.evidence["samples"], decoded(runs["variational"], drawn), atol=0.6
    )


def test_a_plain_decoder_is_given_codes_with_the_mean_and_covariance_of_its_own(runs, monkeypatch):
    evidence = runs["plain"].record.evidence
    made = decoded(runs["plain"], latent._like(evidence["representation"].astype(np.float64)))
    np.testing.assert_allclose(evidence["samples"], made, atol=0.6)
    draw = np.random.default_rng(5)
    values = draw.standard_normal((30, 4)) @ draw.standard_normal((4, 4)) + 3
    monkeypatch.setattr(latent, "SAMPLES", 50_000)
    codes = latent._like(values)
    np.testing.assert_allclose(codes.mean(0), values.mean(0), atol=0.05)
    np.testing.assert_allclose(np.cov(codes.T), np.cov(values.T), atol=0.1)
    assert np.linalg.matrix_rank(latent._like(values[:3])[:50] - values[:3].mean(0)) == 2  # of three images: a plane
    np.testing.assert_array_equal(latent._like(values[:1])[0], values[0])


def test_pcas_pictures_are_scikit_learns(runs):
    done = runs["denoise"]  # PCA is given the clean images
    data, evidence = splits(done), done.record.evidence
    train, test = (split.pixels.flatten(1).double().numpy() / 255 for split in (data.train, data.test))
    fitted = PCA(8, svd_solver="full").fit(train)
    made = {
        "first_pca": fitted.inverse_transform(fitted.transform(test[:20])),
        "pca_samples": fitted.inverse_transform(
            np.random.default_rng(0).standard_normal((20, 8)) * np.sqrt(fitted.explained_variance_)
        ),
    }
    ends = fitted.inverse_transform(fitted.transform(test[evidence["interpolation_index"]].reshape(10, 64))).reshape(
        5, 2, 64
    )
    made["pca_interpolations"] = np.stack(
        [(1 - share) * ends[:, 0] + share * ends[:, 1] for share in np.linspace(0, 1, 9)], 1
    )
    for name, pixels in made.items():
        np.testing.assert_allclose(evidence[name].reshape(pixels.shape), pixels.clip(0, 1) * 255, atol=0.51)
    np.testing.assert_allclose(evidence["first_pca_mse"], ((made["first_pca"] - test[:20]) ** 2).mean(1), atol=1e-12)


def test_pcas_pictures_of_fewer_images_than_components_and_of_one():
    draw = np.random.default_rng(0)
    train, test = (of_pixels(draw.integers(0, 256, (count, 1, 6, 6), dtype=np.uint8)) for count in (10, 1))
    found = pca_samples.pictures(train, test, 30, np.array([0]), latent.pairs(1))
    assert found.keys() == {"first_pca", "first_pca_mse", "pca_samples"}
    fitted = PCA(9, svd_solver="full").fit(train.pixels.flatten(1).numpy() / 255)
    expected = fitted.inverse_transform(fitted.transform(test.pixels.flatten(1).numpy() / 255))
    np.testing.assert_allclose(found["first_pca"].ravel(), expected.ravel().clip(0, 1) * 255, atol=0.51)
    assert pca_samples.pictures(of_pixels(train.pixels[:1]), test, 3, np.array([0]), latent.pairs(1)) == {}


def test_interpolations_go_from_one_reconstruction_to_another(runs, kind):
    done = runs[kind]
    evidence, test = done.record.evidence, splits(done).test
    pairs, rows = evidence["interpolation_index"], evidence["interpolations"]
    assert rows.shape == (5, 9, 1, 8, 8)
    assert len(np.unique(pairs)) == 10
    np.testing.assert_array_equal(pairs, runs["plain"].record.evidence["interpolation_index"])
    codes = evidence["representation"][pairs]  # of noisy images where there is noise
    for end, step in ((0, 0), (1, -1)):
        np.testing.assert_allclose(rows[:, step], decoded(done, codes[:, end]), atol=0.6)
    if kind != "denoise":
        made = done.reconstruct(test.pixels[torch.from_numpy(pairs[:, 0])]).clip(0, 1) * 255
        np.testing.assert_allclose(rows[:, 0], made, atol=0.6)
    np.testing.assert_allclose(rows[:, 4], decoded(done, codes.mean(1)), atol=0.6)


def test_an_expanded_training_set_is_shown_reconstructed(runs):
    done = runs["plain"]
    evidence = done.record.evidence
    assert evidence["panel_kinds"].tolist() == ["original", "flipped", "noisy", "flipped and noisy"]
    made = done.reconstruct(evidence["panel_pixels"].reshape(-1, 1, 8, 8)).clip(0, 1) * 255
    np.testing.assert_allclose(evidence["panel_reconstructions"].reshape(-1, 1, 8, 8), made, atol=0.6)


def test_the_weights_are_the_selected_ones(runs):
    done = runs["plain"]
    saved = safetensors.torch.load_file(done.path / "model.safetensors")
    assert sum(value.numel() for name, value in saved.items() if "standardize" not in name) == done.result["parameters"]
    weights = [tuple(value.shape) for name, value in sorted(saved.items()) if name.endswith("weight")]
    assert weights == [(32, 8), (64, 32), (64, 64), (64, 64), (32, 64), (8, 32)]  # of the decoder, then of the encoder


def test_a_later_look_at_the_test_split_finds_what_a_look_at_the_end_would(runs, tmp_path):
    done = run(tmp_path / "run", *KINDS["denoise"], "protocol.test=never")
    assert "test" not in done.result
    assert done.record.evidence["split"] == "validation"
    result = evaluate_on_test(tmp_path / "run", device_name="cpu")
    assert result["looks"] == 1
    assert result["test"] == runs["denoise"].result["test"]
    assert (tmp_path / "run" / "evidence-validation.npz").exists()
    assert sv.open_run(tmp_path / "run").record.evidence["split"] == "test"


def test_each_task_refuses_what_is_the_others(runs, tmp_path):
    pixels = np.zeros((2, 1, 8, 8), np.uint8)
    done, old = runs["plain"], sv.open_run(Path(__file__).parent / "formats" / "version-1")
    for ask in (lambda: done.predict(pixels), done.confusion, done.mistakes, done.confused):
        with pytest.raises(
            BadInput, match=r'for runs of the task "classify".* "reconstruct"; its methods are reconstruct'
        ):
            ask()
    for ask in (lambda: old.reconstruct(pixels), old.reconstructions):
        with pytest.raises(BadInput, match=r'for runs of the task "reconstruct".* "classify"; its methods are predict'):
            ask()
    assert old.encode(pixels).shape == (2, 16)  # its dense layer
    for wrong in (np.zeros((2, 1, 9, 9), np.uint8), np.full((2, 1, 8, 8), 2.0)):
        for ask in (done.encode, done.reconstruct):
            with pytest.raises(BadInput, match=r"^(encode|reconstruct): got "):
                ask(wrong)
    with pytest.raises(BadInput, match="got no image"):
        done.encode(pixels[:0])


def test_image_files_are_encoded_and_reconstructed(runs, tmp_path):
    from PIL import Image

    pixels = splits(runs["plain"]).test.pixels[:3].numpy()
    for number, image in enumerate(pixels):
        Image.fromarray(image[0]).save(tmp_path / f"{number}.png")
    files = [tmp_path / f"{number}.png" for number in range(3)]
    np.testing.assert_allclose(runs["plain"].encode(files), runs["plain"].encode(pixels), atol=1e-6)
    np.testing.assert_allclose(runs["plain"].reconstruct(files), runs["plain"].reconstruct(pixels), atol=1e-6)


def test_the_command_line_prints_how_far_it_is_from_pca(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path))
    out = {}
    for words in (["run", "digits-autoencoder", *SHORT, "--threads", "1", "--device", "cpu"], ["runs"]):
        monkeypatch.setattr(sys, "argv", ["smallvision", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
        out[words[0]] = " ".join(capsys.readouterr().out.split())
    (path,) = tmp_path.iterdir()
    row = json.loads((path / "result.json").read_text())["test"]
    share = 100 * (row["mse"] / row["pca"]["mse"] - 1)
    assert share > 0  # after three epochs
    far = f"{share:.1f} % above" if share <= 100 else f"{share / 100 + 1:.1f} times that of"
    assert f"test MSE is {far} exact PCA with 8 components ({row['pca']['mse']:.5f})" in out["run"]
    assert f"{row['mse']:.5f}" in out["run"]
    assert "accuracy" not in out["run"]
    assert f"mse {row['mse']:.5f}" in out["runs"]
    assert (path / "report.html").is_file()


def test_the_reference_autoencoder_has_its_layers():
    experiment = load("fashion-autoencoder")
    table = layers(experiment, *shape(experiment))
    dense = [row["output"] for row in table["rows"] if row["type"] in ("Linear", "TiedLinear")]
    assert dense == [[392], [196], [98], [32], [98], [196], [392], [784]]
    widths = [784, 392, 196, 98, 32, 98, 196, 392, 784]
    assert table["totals"]["parameters"] == sum((a + 1) * b for a, b in pairwise(widths))
    assert [row["type"] for row in table["rows"] if row["type"] in ("ReLU", "Sigmoid")] == ["ReLU"] * 7 + ["Sigmoid"]


def test_the_convolutional_autoencoder_is_convolutions_alone():
    experiment = load("cifar10-autoencoder")
    table = layers(experiment, *shape(experiment))
    kinds = {row["type"] for row in table["rows"] if row["parameters"]}
    assert kinds <= {"Conv2d", "ConvTranspose2d", "Spread"}
    assert [32] in [row["output"] for row in table["rows"]]
