# %% [markdown]
# # Parts of ours in your project, and of yours in ours
#
# **Do I have to move to cascadekit to use it?** No. This notebook puts parts of it into another
# mm-style project, and parts of that project into a cascade.
#
# - **In the paper**: the claim of section 1 and Tables 5 to 7 that the cascade fits many detectors.
#   A cascade head does not care where features and boxes come from.
# - **Takes** about two minutes on two CPU cores.
# - **Needs** nothing: no GPU, no download, no data. One cell uses mmdetection, if it is installed.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {"dpi": 80}
import inspect
import shutil
from pathlib import Path

import other_project
import torch
from IPython.display import Markdown
from mmengine import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

import cascadekit
from cascadekit.registry import MODELS

# %% tags=["parameters"]
BUDGET = "reader"
PICTURES = 40
ITERATIONS = {"counting": 60, "backbone": 30}
SEED = 0

# %%
if BUDGET == "smoke":
    PICTURES, ITERATIONS = 4, {"counting": 2, "backbone": 2}
torch.manual_seed(SEED)
FOLDER = Path("../work_dirs/notebooks/08_reuse")
shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir(parents=True)

# %% [markdown]
# ## The other project
#
# `other_project.py` lies beside this notebook. It is called "ruler", has a registry of its own, and
# a model that counts objects. It has never heard of cascadekit: its backbone and neck are whatever
# the config says.

# %%
Markdown(f"```python\n{inspect.getsource(other_project.CountingNet)}```")

# %% [markdown]
# ## Ours in theirs: by scoped name
#
# Every part of cascadekit is registered in the scope `cascadekit`, so another project's config
# names it `cascadekit.NAME`. No `custom_imports` and no import of ours is needed: mmengine finds
# the registry by the scope. Here: a backbone with ImageNet weights, a feature pyramid, and the
# preprocessor that brings batches to one size.

# %%
theirs = dict(
    type="CountingNet",
    num_classes=6,
    channels=32,
    backbone=dict(type="cascadekit.EfficientNetLite0", out_indices=[1, 2], weights="imagenet"),
    neck=dict(type="cascadekit.FPN", in_channels=[40, 112], out_channels=32, num_outs=2),
    data_preprocessor=dict(
        type="cascadekit.DetectionPreprocessor", mean=[127.0] * 3, std=[128.0] * 3
    ),
)
counter = other_project.MODELS.build(theirs)
parts = (counter, counter.backbone, counter.neck, counter.data_preprocessor)
Markdown("\n".join(f"- `{type(part).__module__}.{type(part).__name__}`" for part in parts))

# %% [markdown]
# Data sets, transforms, hooks and metrics go the same way. Their model now trains with mmengine's
# own `Runner`, on pictures from our `ShapesDataset`. Each sample has what mm-style models expect
# (`inputs`, `data_samples` with `gt_instances`), so their loss reads our labels as it stands.

# %%
load = [dict(type="cascadekit.LoadImage"), dict(type="cascadekit.PackInputs")]
loader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(type="cascadekit.ShapesDataset", num_images=max(PICTURES, 8), pipeline=load),
)

# %%
runner = Runner(
    model=counter,
    work_dir=str(FOLDER / "counting"),
    train_dataloader=loader,
    train_cfg=dict(type="IterBasedTrainLoop", max_iters=ITERATIONS["counting"]),
    optim_wrapper=dict(optimizer=dict(type="AdamW", lr=0.001)),
    randomness=dict(seed=SEED),
    default_scope=other_project.SCOPE,
    log_level="ERROR",
)
before = {name: value.clone() for name, value in counter.neck.state_dict().items()}
_ = runner.train()

# %% [markdown]
# A few iterations on a few pictures are enough to see that it learns to count:

# %%
dataset = runner.train_dataloader.dataset
samples = [dataset[k] for k in range(min(PICTURES, len(dataset)))]
batch = {key: [sample[key] for sample in samples] for key in ("inputs", "data_samples")}
with torch.no_grad():
    counts = counter.eval()(**counter.data_preprocessor(batch), mode="predict")
found = counts.sum(1)
truth = torch.tensor([float(len(s["data_samples"].gt_instances.labels)) for s in samples])
errors = {"their model, with our parts": found - truth, "always the mean": truth - truth.mean()}
lines = [f"| {name} | {value.abs().mean():.2f} |" for name, value in errors.items()]
Markdown("\n".join(["| objects in a training picture | wrong by |", "|---|---:|", *lines]))

# %% [markdown]
# ## Ours in theirs: a whole config
#
# Their config file can also start from one of ours. `_base_` takes the path that `config_path`
# gives, and they change what they like. All names in our configs are scoped, so their
# `default_scope` does no harm.

# %%
file = FOLDER / "theirs.py"
file.write_text(
    f"_base_ = [{cascadekit.config_path('lite/cascade_lite')!r}]\n"
    f"default_scope = {other_project.SCOPE!r}\n"
    "model = dict(num_classes=2, backbone=dict(weights=None))\n"
)
config = Config.fromfile(file)
with DefaultScope.overwrite_default_scope(other_project.SCOPE):
    built = other_project.MODELS.build(config.model)
stages = len(built.roi_head.bbox_head)
Markdown(f"{type(built).__name__} with {stages} stages for {built.num_classes} classes")

# %% [markdown]
# ## Theirs in ours: proposals from a ruler
#
# Now the other way. Our detector's `rpn_head` is any module with three methods: `forward` reads the
# pyramid, `propose` gives boxes, `loss` what there is to learn. Theirs is as simple as can be:
# squares of two sizes on a grid, the same in every picture, and nothing to learn.

# %%
Markdown(f"```python\n{inspect.getsource(other_project.GridProposals.propose)}```")

# %% [markdown]
# We put it into the trained detector that comes with the package, in the place of its proposal
# network, and train nothing. Can a cascade make something of boxes that nobody chose?

# %%
from cascadekit.apis import open_loader
from cascadekit.quality.collect import record_stages

detector, config = cascadekit.load_shipped("cpu")
config.test_dataloader.update(num_workers=0, persistent_workers=False)
config.test_dataloader.dataset.indices = PICTURES
recordings = {"proposal network": record_stages(detector, open_loader(config), all_heads=False)}
detector.rpn_head = MODELS.build(dict(type="ruler.GridProposals", sizes=(56, 96), step=24))
recordings["ruler"] = record_stages(detector, open_loader(config), all_heads=False)

# %% [markdown]
# For every object, the IoU of the best box that enters each stage and that leaves the last one,
# averaged over all objects:


# %%
def best_ious(recording):
    """Mean over objects of the best box's IoU: what enters stages 1 to S, and what leaves S."""
    from cascadekit.structures.boxes import iou

    steps = []
    for image in recording.images:
        boxes = [stage.input_boxes for stage in image.stages] + [image.stages[-1].output_boxes]
        steps.append(torch.stack([iou(own, image.truth.counted().boxes).amax(0) for own in boxes]))
    return torch.cat(steps, 1).mean(1).tolist()


# %%
from cascadekit.quality.ap_curves import ap_curves_table, compute_ap_curves, plot_ap_curves

ious = {name: best_ious(own) for name, own in recordings.items()}
curves = compute_ap_curves(recordings)
heads = ["boxes from", "enter stage 1", "enter 2", "enter 3", "leave 3"]
lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * 4]
lines += [f"| {name} | " + " | ".join(f"{v:.3f}" for v in own) + " |" for name, own in ious.items()]
Markdown("\n".join(lines))

# %%
plot_ap_curves(curves)

# %% [markdown]
# Look at the first table: the ruler's boxes start well behind those of the network, and the stages
# make up for most of that, although they were never trained on such boxes. The scores of the whole
# detector, in percent, say what is lost in the end:

# %%
Markdown(ap_curves_table(curves).markdown())

# %% [markdown]
# (The curves and the last table are of few pictures; the intervals show how much that leaves open.)
# Neither part was made for the other: all they share is the type `Proposals`.
#
# ## Theirs in ours: a backbone, trained
#
# In a config it is one line. The neck is told how many channels the maps have; everything else
# stays as it was. Their backbone has no trained weights, so it would take many more iterations than
# we give it here. Watch that the loss falls.

# %%
config = cascadekit.load_config(cascadekit.config_path("shapes/cascade_mask_shapes"))
config.model.backbone = dict(type="ruler.PatchBackbone", channels=32)
config.model.neck.in_channels = [32, 32, 32, 32]
config.model.roi_head.box_pool.strides = [4, 8, 16, 32]
config.model.roi_head.mask_pool.strides = [4, 8, 16, 32]
config.model.rpn_head.anchors.strides = [4, 8, 16, 32]
config.train_dataloader.update(num_workers=0, persistent_workers=False)
config.train_dataloader.dataset.num_images = max(PICTURES, 8)
config.train_cfg.max_iters = ITERATIONS["backbone"]
config.val_dataloader = config.val_cfg = config.val_evaluator = None
runner = cascadekit.train(config, FOLDER / "backbone", seed=SEED)

# %%
backbone = runner.model.backbone
memory = runner.optim_wrapper.optimizer.state  # running means of each weight's gradient
gradient = sum(float(memory[p]["exp_avg"].abs().sum()) for p in backbone.parameters())
Markdown(
    f"The backbone is `{type(backbone).__module__}.{type(backbone).__name__}`, and it learns: the "
    f"optimizer's means of its gradients add up to {gradient:.3g}."
)

# %% [markdown]
# ## With mmdetection
#
# mmdetection is an mm-style project like the one above, so its parts are `mmdet.NAME`: the cell
# below puts one of its backbones into our detector. Where mmdetection's own heads call samplers,
# coders and roi heads in their own way, `cascadekit.interop` has ours under those calls.
# [docs/reuse.md](../docs/reuse.md) has the table, and both directions as complete examples that the
# tests run.

# %%
import mmcv

version, mmcv.__version__ = mmcv.__version__, "2.1.0"  # mmdetection 3.3 refuses later ones
try:
    import mmdet.models

    note = f"With mmdetection {mmdet.__version__}: "
    part = dict(type="mmdet.RegNet", arch="regnetx_400mf", out_indices=(1, 2, 3))
except ImportError as error:
    note = f"mmdetection is not here ({error}); so with a backbone of ours: "
    part = dict(type="cascadekit.ResNet", depth=18, out_indices=(1, 2, 3))
finally:
    mmcv.__version__ = version

# %%
model = Config.fromfile(cascadekit.config_path("lite/cascade_lite")).model
model.backbone = part
model.neck.in_channels = [64, 160, 384] if "RegNet" in part["type"] else [128, 256, 512]
swapped = MODELS.build(model)
maps = swapped.extract(torch.zeros(1, 3, 64, 96))
Markdown(note + f"`{type(swapped.backbone).__module__}` gives {len(maps)} maps to our heads.")

# %% [markdown]
# ## What makes this work
#
# - Parts are built by name through registries that are children of mmengine's. Names are
#   `scope.NAME`; without a scope the project's own is meant.
# - `cascadekit/registry.py` imports our parts when a name is first looked up.
# - Backbones, necks and pooling have the calls that everybody's have. What is particular to us (the
#   three methods of a proposal part, the dataclasses that travel between parts) is written down in
#   `cascadekit/structures/samples.py` and in the docstring of each part.
# - Metrics and the quality lab read plain arrays and records: boxes of any detector will do.

# %%
changed = [k for k, v in counter.neck.state_dict().items() if not torch.equal(v, before[k])]
assert changed, "our neck should have learned in their model"
assert isinstance(backbone, other_project.PatchBackbone) and gradient > 0
assert type(built).__module__.startswith("cascadekit."), "their config should build our detector"
for name, own in ious.items():
    assert own[-1] > own[0], f"boxes of the {name} should get better: {own}"
gains = ", ".join(f"{name} {own[0]:.2f} to {own[-1]:.2f}" for name, own in ious.items())
Markdown(f"Checked: mean best IoU from {gains}.")
