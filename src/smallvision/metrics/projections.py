"""Maps of a representation: two coordinates for every image, to be plotted.

PCA keeps large distances and the same axes for new images. t-SNE (van der Maaten & Hinton 2008, JMLR 9; Barnes-Hut: van
der Maaten 2014, JMLR 15) and UMAP (McInnes, Healy & Melville 2018, arXiv 1802.03426) keep neighbours: distances between
groups, and the size of groups, mean nothing there. t-SNE starts from PCA, which keeps large distances as well as it can
(Kobak & Berens 2019, Nat. Commun. 10), and works on the first 50 principal components, as its authors do.
"""

import importlib
import warnings
from collections.abc import Callable

import numpy as np

from smallvision.errors import BadInput, counted
from smallvision.metrics.features import checked

COMPONENTS = 50  # that t-SNE and UMAP see at most
PERPLEXITY = 30.0
NEIGHBOURS = 15
FEWEST = 4  # images


def project(kind: str, features: np.ndarray, seed: int = 0) -> np.ndarray:
    """A map of the images.

    Parameters
    ----------
    kind : one of MAPS: "pca", "tsne", "umap".
    features : (N, D), N at least 4.
    seed : of what is random in it.

    Returns
    -------
    np.ndarray : float32 (N, 2). All zeros when every image has the same features.

    Raises
    ------
    BadInput : another kind; features that are not numbers, or of fewer than 4 images; UMAP without its library.
    """
    if kind not in MAPS:
        raise BadInput(f'map: got "{kind}"; known: {", ".join(MAPS)}')
    values = checked("features", features)
    if len(values) < FEWEST:
        raise BadInput(f"features: got {counted(len(values), 'image')}; a map needs at least {FEWEST}")
    if (values == values[0]).all():
        return np.zeros((len(values), 2), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap-learn says that a seed leaves one thread, numba what it compiles
        return np.asarray(MAPS[kind](values, seed), np.float32)


def pca(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """The first two principal components, (N, 2); where there is only one feature, the second is 0."""
    coordinates = _components(features, 2, seed)
    return np.pad(coordinates, ((0, 0), (0, 2 - coordinates.shape[1])))


def tsne(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """scikit-learn's Barnes-Hut t-SNE of perplexity 30, less for fewer than 91 images, (N, 2)."""
    from sklearn.manifold import TSNE

    some = _components(features, COMPONENTS, seed)
    perplexity = min(PERPLEXITY, (len(some) - 1) / 3)
    begin = pca(some, seed)
    begin *= 1e-4 / begin[:, 0].std()
    return np.asarray(
        TSNE(2, perplexity=perplexity, init=begin, method="barnes_hut", random_state=seed).fit_transform(some)
    )


def umap(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """umap-learn's UMAP of 15 neighbours, (N, 2). Raises BadInput when umap-learn is not installed."""
    try:
        library = importlib.import_module("umap")
    except ImportError:
        raise BadInput(
            'map "umap": this needs umap-learn, which is not installed; install it with pip install '
            '"smallvision[maps]", or use tsne'
        ) from None
    some = _components(features, COMPONENTS, seed)
    near = min(NEIGHBOURS, len(some) - 1)
    return np.asarray(library.UMAP(n_neighbors=near, n_components=2, random_state=seed, n_jobs=1).fit_transform(some))


def _components(features: np.ndarray, most: int, seed: int) -> np.ndarray:
    """The first principal components, `most` of them at most, with scikit-learn's signs."""
    from sklearn.decomposition import PCA

    return np.asarray(PCA(min(most, *features.shape), random_state=seed).fit_transform(features))


MAPS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {"pca": pca, "tsne": tsne, "umap": umap}
