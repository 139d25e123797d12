"""Maps of a representation.

Every image is drawn where it lies, in the look of its class; the pictures hide neither each other nor what is between
them.
"""

import numpy as np
from matplotlib import style

from smallvision.rendering import embed
from smallvision.report.probe import projections
from smallvision.report.probe.projections import Map


def test_no_two_pictures_on_a_map_overlap_and_none_is_left_out_without_reason() -> None:
    places = np.random.default_rng(0).normal(0, 0.2, (300, 2))
    kept, far = projections.chosen(places), projections.APART * projections.SIDE
    assert kept[0] == 0
    for row in range(300):
        near = [one for one in kept if one < row and max(abs(places[one] - places[row])) < far]
        assert (row in kept) == (not near)
    assert projections.chosen(np.zeros((0, 2))) == []


def a_map(count: int, classes: int, thumbs: int, side: int = 8, seed: int = 0) -> Map:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (thumbs, 3, side, side), dtype=np.uint8)
    return Map(
        "representation",
        rng.normal(0, 3, (count, 2)),
        rng.integers(0, classes, count),
        pixels,
        rng.permutation(count)[:thumbs],
    )


def test_every_image_is_a_point_of_its_classes_colour_and_shape() -> None:
    one = a_map(200, 10, 30)
    figure = projections.draw([one, one], [f"c{i}" for i in range(10)])
    axes = figure.axes[0]
    for label, points in enumerate(axes.collections[:10]):  # drawn in turns: none lies on all others
        color = tuple(points.get_facecolor()[0])
        alike = [other for other in axes.collections if tuple(other.get_facecolor()[0]) == color]
        found = np.concatenate([other.get_offsets() for other in alike])
        np.testing.assert_allclose(sorted(found.tolist()), sorted(one.places[one.labels == label].tolist()))
        assert len({other.get_paths()[0].vertices.tobytes() for other in alike}) == 1
        assert list(axes.collections).index(alike[1]) > 9
    assert len({points.get_paths()[0].vertices.tobytes() for points in axes.collections}) == 10
    kept = projections.chosen(
        (one.places[one.thumb_index] - projections.view(one.places)[0]) / (2 * projections.view(one.places)[1])
    )
    assert len(axes.images) == len(kept)
    for image, row in zip(axes.images, kept, strict=True):
        left, right, low, high = image.get_extent()
        np.testing.assert_allclose([(left + right) / 2, (low + high) / 2], one.places[one.thumb_index[row]])
        assert axes.get_xlim()[0] <= left < right <= axes.get_xlim()[1]
        assert axes.get_ylim()[0] <= low < high <= axes.get_ylim()[1]
        np.testing.assert_array_equal(image.get_array(), one.thumbs[row].transpose(1, 2, 0))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"c{i}" for i in range(10)]


def test_the_colours_are_petroffs() -> None:
    cycle = style.library["petroff10"]["axes.prop_cycle"].by_key()["color"]
    assert tuple(color.lower() for color in cycle) == projections.COLORS


def test_of_many_classes_the_largest_have_a_look_and_constant_features_a_map() -> None:
    labels = np.repeat(np.arange(30), np.arange(1, 31))
    one = Map("pixels", np.zeros((len(labels), 2)), labels, np.zeros((2, 1, 4, 4), np.uint8), np.array([0, 400]))
    figure = projections.draw([one], [f"c{i}" for i in range(30)])
    looks: dict[tuple[bytes, bytes], int] = {}
    for points in figure.axes[0].collections:
        key = (points.get_facecolor().tobytes(), points.get_paths()[0].vertices.tobytes())
        looks[key] = looks.get(key, 0) + len(points.get_offsets())
    assert list(looks.values()) == [sum(range(1, 11)), *range(11, 31)]
    assert figure.legends[0].get_texts()[-1].get_text() == "10 other classes"
    low, high = figure.axes[0].get_xlim()
    assert low < 0 < high


def test_large_maps_stay_small_files() -> None:
    maps = [a_map(2000, 10, 400, 32, seed) for seed in (0, 1)]
    assert len(embed.svg(projections.draw(maps, [str(i) for i in range(10)]), "maps", "m")) < 1.2e6
