"""Data sets, and what turns their records into batches."""

from cascadekit.datasets.batching import AspectRatioBatchSampler
from cascadekit.datasets.citypersons import CityPersonsDataset
from cascadekit.datasets.coco import CocoDataset, read_classes
from cascadekit.datasets.colour import ColourJitter
from cascadekit.datasets.drawn_benchmarks import (
    DrawnCityPersonsDataset,
    DrawnKittiDataset,
    DrawnWiderFaceDataset,
)
from cascadekit.datasets.ignore_small import IgnoreSmall
from cascadekit.datasets.kitti import KittiDataset, read_kitti_classes
from cascadekit.datasets.label_png import LabelPNGDataset
from cascadekit.datasets.object_crop import ObjectCrop
from cascadekit.datasets.proposal_files import (
    PictureProposals,
    ProposalFile,
    write_proposals,
)
from cascadekit.datasets.proposals import LoadProposals
from cascadekit.datasets.resize import Resize
from cascadekit.datasets.shapes import ShapesDataset, draw_scene, draw_shapes
from cascadekit.datasets.test_views import TestViews
from cascadekit.datasets.transforms import (
    LoadImage,
    PackInputs,
    RandomFlip,
    from_array,
    read_image,
)
from cascadekit.datasets.voc import VOCDataset, read_voc_classes
from cascadekit.datasets.widerface import WiderFaceDataset

__all__ = [
    "AspectRatioBatchSampler",
    "CityPersonsDataset",
    "CocoDataset",
    "ColourJitter",
    "DrawnCityPersonsDataset",
    "DrawnKittiDataset",
    "DrawnWiderFaceDataset",
    "IgnoreSmall",
    "KittiDataset",
    "LabelPNGDataset",
    "LoadImage",
    "LoadProposals",
    "ObjectCrop",
    "PackInputs",
    "PictureProposals",
    "ProposalFile",
    "RandomFlip",
    "Resize",
    "ShapesDataset",
    "TestViews",
    "VOCDataset",
    "WiderFaceDataset",
    "draw_scene",
    "draw_shapes",
    "from_array",
    "read_classes",
    "read_image",
    "read_kitti_classes",
    "read_voc_classes",
    "write_proposals",
]
