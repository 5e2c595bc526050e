"""Detectors as files that run without cascadekit: ONNX, or a program of torch.export.

    detector -> ExportedDetector -> torch.export -> OUT.pt2
                                                 -> ONNX operators -> OUT.onnx

The graph is the detector's own code, traced: `CascadeRCNN.propose`, the stage loop, `Postprocess`
and the mask head, with the operations of `ops.exportable`. docs/export.md tells how to run it.
"""

from __future__ import annotations

import copy
import json
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.utils import _pytree as pytree

from cascadekit import ops
from cascadekit.errors import InputError
from cascadekit.models import CascadeRCNN
from cascadekit.structures.samples import ImageInfo
from cascadekit.whole_file import whole_file

SUFFIXES = (".onnx", ".pt2")
# torch translates to 18 and converts upwards; 20 is its default, 23 the last it knows.
OPSETS = range(18, 24)
OPSET = 20
# Height and width of the picture that is traced. Any would do whose maps have no side of 1 or of
# equal lengths, which torch would take for fixed.
EXAMPLE = (352, 480)
CLASSES = "classes.json"  # names of the classes inside a .pt2 file
LARGEST = 2**14  # sides of a picture, pixels; only a bound for torch's reasoning


class ExportedDetector(nn.Module):
    """One picture in, stages and detections out: what an exported file computes.

    Args:
        detector: with a proposal network; a copy of it is kept, on the CPU and in evaluation mode.

    Raises:
        InputError: a part of the detector cannot be exported; the message says which and why.
    """

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        _check(detector)
        self.detector = copy.deepcopy(detector).cpu().eval().requires_grad_(False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Detect objects in one picture.

        Args:
            images: (1, 3, H, W) uint8 RGB, already of the size that the detector is to see; not
                normalised and not padded, that is done here.

        Returns:
            All boxes are xyxy in pixels of `images`. Of S stages, if there is a roi head, with R
            rois (R may be 0), row r being the same roi in all:

            - `proposals` (R, 4) float32;
            - `stage1_boxes` (R, 4) float32, refined, not clipped, and so on to S;
            - `stage1_scores` (R, K+1) float32, probabilities of the stage's own head, background
              last, and so on to S.

            Of the D detections (D may be 0), best first:

            - `boxes` (D, 4) float32, clipped;
            - `scores` (D,) float32;
            - `labels` (D,) int64, 0..K-1;
            - `rois` (D,) int64, the row r each came from;
            - `masks` (D, m, m) float32, probabilities inside each box, if there is a mask head.
        """
        size = (images.shape[2], images.shape[3])
        info = ImageInfo(size, size)
        detector = self.detector
        with ops.exportable():
            # The preprocessor takes BGR, as the data sets read pictures.
            pyramid = detector.extract(detector.data_preprocessor.prepare(images.flip(1)))
            proposals = detector.propose(pyramid, [], [info])
            if detector.roi_head is None:
                labels = torch.zeros_like(proposals.image_index)
                return {"boxes": proposals.boxes, "scores": proposals.scores, "labels": labels}
            stages = detector.roi_head(pyramid, proposals, [info])
            boxes, scores = detector.roi_head.score_boxes(stages)
            found = detector.roi_head.postprocess(boxes, scores, info)
            outputs = {"proposals": proposals.boxes}
            for stage in stages:
                outputs[f"stage{stage.stage + 1}_boxes"] = stage.boxes
                outputs[f"stage{stage.stage + 1}_scores"] = stage.logits.float().softmax(1)
            outputs |= {"boxes": found.boxes, "scores": found.scores}
            outputs |= {"labels": found.labels, "rois": found.roi_index}
            if detector.roi_head.mask_stages:
                image = torch.zeros_like(found.labels)
                outputs["masks"] = detector.roi_head.masks_for(
                    pyramid, found.boxes, found.labels, image
                )
        return outputs


@dataclass(frozen=True)
class ExportedFile:
    """What was written.

    Attributes:
        path: the file.
        inputs: name -> shape of what it takes, with words for free sides.
        outputs: names of what it gives, in order.
        nodes: operators in its graph.
        opset: of ONNX; None for a program of torch.export.
    """

    path: Path
    inputs: dict[str, tuple[int | str, ...]]
    outputs: tuple[str, ...]
    nodes: int
    opset: int | None


def export_detector(
    detector: nn.Module,
    path: str | os.PathLike[str],
    size: Sequence[int] | None = None,
    opset: int = OPSET,
) -> ExportedFile:
    """Write a detector as an ONNX file or as a program of torch.export.

    Args:
        detector: of `apis.load_detector`.
        path: file to write, ending in .onnx or .pt2.
        size: (height, width) of all pictures that the file will see; None: any size.
        opset: version of the ONNX operators, 18 to 23; of no meaning for .pt2.

    Returns:
        What was written.

    Raises:
        InputError: another ending, size or opset; a part of the detector that cannot be exported;
            or the packages for ONNX are not installed.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: the file must end in {' or '.join(SUFFIXES)}")
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise InputError(f"size must be a height and a width in pixels, got {tuple(size)}")
    if opset not in OPSETS:
        raise InputError(f"opset must be {OPSETS[0]} to {OPSETS[-1]}, got {opset}")
    if path.suffix == ".onnx":
        _need_onnx()
    program = trace(ExportedDetector(detector), size)
    outputs = _output_names(program)
    classes = list(getattr(detector, "classes", None) or ())
    with whole_file(path) as passing:
        if path.suffix == ".onnx":
            nodes = _write_onnx(program, outputs, passing, opset, classes)
        else:
            torch.export.save(program, passing, extra_files={CLASSES: json.dumps(classes)})
            nodes = sum(node.op == "call_function" for node in program.graph.nodes)
    sides = ("height", "width") if size is None else tuple(size)
    return ExportedFile(
        path,
        {"images": (1, 3, *sides)},
        outputs,
        nodes,
        opset if path.suffix == ".onnx" else None,
    )


def trace(module: nn.Module, size: Sequence[int] | None = None) -> ExportedProgram:
    """Record what an `ExportedDetector` does.

    Args:
        module: the detector.
        size: (height, width) of all pictures; None: any.

    Returns:
        The program; its `module()` takes images and gives the dict of outputs.
    """
    images = torch.zeros(1, 3, *(size or EXAMPLE), dtype=torch.uint8)
    side = Dim.DYNAMIC(min=1, max=LARGEST)
    free = {2: side, 3: side} if size is None else None
    with torch.no_grad(), warnings.catch_warnings():
        # torchvision's shape rule of NMS calls torch by an old name.
        warnings.filterwarnings("ignore", message=".*create_unbacked_symint.*")
        return torch.export.export(module, (images,), dynamic_shapes={"images": free}, strict=False)


def _check(detector: nn.Module) -> None:
    """Raise InputError where the detector has a part that cannot be exported."""
    if not isinstance(detector, CascadeRCNN):
        raise InputError(
            f"{type(detector).__name__} cannot be exported, only a CascadeRCNN: test-time "
            "augmentation looks at several views of a picture, so leave it to what runs the file"
        )
    if not hasattr(detector.data_preprocessor, "prepare"):
        kind = type(detector.data_preprocessor).__name__
        raise InputError(
            f"model.data_preprocessor is a {kind}, whose normalisation cannot be exported: use "
            "cascadekit.DetectionPreprocessor"
        )
    if detector.rpn_head is None:
        raise InputError(
            "a model without rpn_head takes its proposals from files and cannot be exported"
        )
    rule = None if detector.roi_head is None else detector.roi_head.postprocess
    if rule is not None and (rule.nms != "hard" or rule.vote_iou is not None):
        raise InputError(
            f"postprocess with nms={rule.nms!r} and vote_iou={rule.vote_iou!r} cannot be exported: "
            "how often soft-NMS and voting loop depends on the picture. Set "
            "model.roi_head.postprocess.nms=hard and model.roi_head.postprocess.vote_iou=None"
        )


def _output_names(program: ExportedProgram) -> tuple[str, ...]:
    """Names of what the program gives, in order."""
    spec = program.call_spec.out_spec
    return tuple(pytree.tree_unflatten(list(range(spec.num_leaves)), spec))


# ONNX


def _need_onnx() -> None:
    for package in ("onnx", "onnxscript"):
        try:
            import_module(package)
        except ImportError as error:
            raise InputError(
                f"writing ONNX needs the package {package} ({error}): "
                'pip install "cascadekit[export]"'
            ) from error


def _write_onnx(
    program: ExportedProgram,
    outputs: Sequence[str],
    path: Path,
    opset: int,
    classes: Sequence[str],
) -> int:
    """Translate and write a program; the number of its nodes.

    Args:
        program: of `trace`.
        outputs: names, in order.
        path: file to write.
        opset: version of the operators.
        classes: names, or none.

    Returns:
        Nodes of the graph.

    Raises:
        InputError: an operation has no ONNX form.
    """
    try:
        translated = torch.onnx.export(
            program,
            (),
            dynamo=True,
            verbose=False,
            opset_version=opset,
            input_names=["images"],
            output_names=list(outputs),
            custom_translation_table=_translations(),
        )
    except torch.onnx.errors.OnnxExporterError as error:
        raise InputError(
            f"cannot be written as ONNX: {_reason(error)}. Give the file the ending .pt2: a "
            "program of torch.export holds all that torch has"
        ) from error
    assert translated is not None
    graph = translated.model.graph
    _name_sides(graph)
    translated.model.metadata_props["classes"] = json.dumps(list(classes))
    translated.model.metadata_props["input"] = "uint8 RGB, resized; normalised and padded inside"
    translated.save(path, external_data=False)
    return len(graph)


def _translations() -> dict[Any, Any]:
    """What torch's exporter lacks: operation -> function that makes ONNX operators of it."""
    found = {torch.ops.aten.sort.stable: _sort}
    if hasattr(torch.ops.torchvision, "roi_pool"):  # once a model with it was traced
        found[torch.ops.torchvision.roi_pool.default] = _roi_pool
    return found


def _sort(values: Any, *, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
    """Stable sort: TopK of all, where ONNX lets equal ones keep their order."""
    op = import_module("onnxscript").opset18
    count = op.Slice(op.Shape(values), [dim], [dim + 1] if dim != -1 else [2**31], [0])
    return op.TopK(values, count, axis=dim, largest=int(descending), sorted=1)


def _roi_pool(feature: Any, rois: Any, scale: float, height: int, width: int) -> tuple[Any, Any]:
    """RoIPool, which onnxscript 0.7 translates with other arguments than torchvision's."""
    op = import_module("onnxscript").opset18
    pooled = op.MaxRoiPool(feature, rois, pooled_shape=[height, width], spatial_scale=scale)
    return pooled, pooled  # the second are positions of the maxima, which only gradients need


def _name_sides(graph: Any) -> None:
    """Call the free sides of inputs and outputs by names for people."""
    ir = import_module("onnx_ir")
    for value in (*graph.inputs, *graph.outputs):
        rows = "rois" if value.name == "proposals" or "stage" in value.name else "detections"
        names = ("1", "3", "height", "width") if value.name == "images" else (rows,)
        sides = [
            side if isinstance(side, int) else names[axis] for axis, side in enumerate(value.shape)
        ]
        value.shape = ir.Shape(sides)


def _reason(error: BaseException) -> str:
    """Which operation the innermost error names, or what it says."""
    while error.__cause__ is not None:
        error = error.__cause__
    operation = re.search(r"op='([\w.]+)'", str(error))
    if operation:
        return f"ONNX has nothing for {operation[1]}"
    return str(error).strip().splitlines()[0]
