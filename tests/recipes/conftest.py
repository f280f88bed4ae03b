"""torchvision, which timm and transformers import, beside a torch that it was not built for."""

import importlib.util
import warnings

# What they do when they are imported is their own.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    if importlib.util.find_spec("torchvision"):
        import torch

        try:
            import torchvision
        except RuntimeError:
            # Its operators come compiled for CUDA, and do not load beside a torch for the CPU.
            # Its Python needs no more than the names of two of them.
            LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
            for name in ("nms", "qnms"):
                LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            import torchvision  # noqa: F401
