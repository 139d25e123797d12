"""The metric of autoencoders, and how far an error is from that of PCA on the same images, in words. No torch."""

from collections.abc import Mapping
from typing import Any

from smallvision.metrics.metric import Metric

MSE = Metric("mse", "MSE of pixels in [0, 1]", False, 1.0, "", 5)

EQUAL = 5e-4  # of PCA's error: what "0.1 %" cannot tell


def against_pca(scores: Mapping[str, Any]) -> str:
    """How far the error of a split's scores is from PCA's: "31.2 % below exact PCA with 8 components (0.02505)"; ""
    without PCA.
    """
    beside = scores.get("pca")
    if not beside:
        return ""
    error, count = beside["mse"], beside["components"]
    what = f"exact PCA with {count:,} component{'s' if count != 1 else ''} ({MSE.text(error)})"
    if error == 0:
        return f"above {what}, which loses nothing" if scores["mse"] > 0 else f"equal to that of {what}"
    share = scores["mse"] / error - 1
    if abs(share) < EQUAL:
        return f"equal to that of {what}"
    far = (
        f"{share + 1:.1f} times that of"
        if share > 1
        else f"{100 * abs(share):.1f} % {'above' if share > 0 else 'below'}"
    )
    return f"{far} {what}"
