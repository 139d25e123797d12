"""Which networks take images of several sizes, and which sizes: said before anything is built, in the user's words."""

from collections.abc import Sequence

from smallvision.errors import BadInput
from smallvision.experiment.model.classifiers import CnnSpec
from smallvision.experiment.model.union import ModelSpec
from smallvision.nn.shapes import block_shapes


def require(spec: ModelSpec | None, channels: int, sizes: Sequence[tuple[int, int]], name: str) -> None:
    """Refuse images of several sizes for a network that takes one, or of a size that its blocks do not fit into.

    Parameters
    ----------
    spec : the network's; None for a module passed in from Python.
    channels : of the images.
    sizes : every (H, W) that there is in any split; one alone is left to the network itself.
    name : of the images, for the message.

    Raises
    ------
    BadInput : what was found, and what to set.
    """
    if len(sizes) == 1:
        return
    if not isinstance(spec, CnnSpec) or spec.head == "flat":
        shown = ", ".join(f"{height}x{width}" for height, width in sorted(sizes)[:5])
        more = ", ..." if len(sizes) > 5 else ""
        head = (
            ' or model.head = "global-mean"'
            if isinstance(spec, CnnSpec)
            else ' or use model.kind = "cnn" with a global head'
        )
        raise BadInput(
            f"{name}: images of {len(sizes):,} sizes ({shown}{more}), and this network takes one; set data.size, "
            f"for example data.size=32,{head}"
        )
    for height, width in sizes:
        try:
            block_shapes(spec.blocks, (channels, height, width))
        except BadInput as error:
            raise BadInput(f"{name}: has images of {height}x{width}, too small for this network: {error}") from None
